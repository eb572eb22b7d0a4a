"""Terminals of a given size, and what stands on them, as text and as a picture."""

import io
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich._export_format import CONSOLE_SVG_FORMAT
from rich.console import Console
from rich.text import Text

DEADLINE_SECONDS = 120
# The reader's own font: the pages load nothing from elsewhere.
SVG = re.sub(r"@font-face {{.*?}}\s*", "", CONSOLE_SVG_FORMAT, flags=re.DOTALL).replace("Fira Code, ", "")


@dataclass(frozen=True)
class TmuxTerminal:
    """A terminal of `columns` by `rows`: a tmux server of its own, with one window, at `socket`."""

    socket: Path
    columns: int
    rows: int

    @contextmanager
    def running(self, command: list[str], folder: Path, env: dict[str, str]) -> Iterator[None]:
        """Run the command in it for the length of the block."""
        size = ["-x", str(self.columns), "-y", str(self.rows)]
        start = ["new-session", "-d", *size, "-c", str(folder), shlex.join(command)]
        self._tmux("-f", "/dev/null", *start, ";", "set-option", "remain-on-exit", "on", env=env)
        try:
            yield
        finally:
            self._tmux("kill-server")

    def await_words(self, *patterns: str) -> str:
        """Return what is on the screen, with colours, once each of the patterns is there. Raises TimeoutError."""
        deadline = time.monotonic() + DEADLINE_SECONDS
        while time.monotonic() < deadline:
            screen = self._tmux("capture-pane", "-p", "-e")
            plain = Text.from_ansi(screen).plain
            if all(re.search(pattern, plain) for pattern in patterns):
                return screen
            time.sleep(0.1)
        raise TimeoutError(f"{patterns} not all on the screen within {DEADLINE_SECONDS} s:\n{plain}")

    def _tmux(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        command = ["tmux", "-S", str(self.socket), *arguments]
        return subprocess.run(command, env=env, check=True, stdout=subprocess.PIPE, text=True).stdout


def text(screen: str) -> str:
    """Return the screen without colours."""
    lines = Text.from_ansi(screen).plain.splitlines()
    return "\n".join(line.rstrip() for line in lines) + "\n"


def picture(screen: str, columns: int, title: str) -> str:
    """Return the screen as SVG."""
    console = Console(record=True, width=columns, file=io.StringIO(), color_system="truecolor", force_terminal=True)
    console.print(Text.from_ansi(screen), no_wrap=True, overflow="crop", end="")
    return console.export_svg(title=title, code_format=SVG, unique_id="live")
