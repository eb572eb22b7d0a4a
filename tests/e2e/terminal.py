"""The starter in a terminal: what it writes there, and what a person types."""

import fcntl
import os
import pty
import re
import struct
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from tests.e2e.conftest import ROOT, Desk, EndedProcess
from tests.support.waiting import until

_CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]")


class ProgramTerminal:
    """One terminal, so many cells wide and high. `out`: a file that stdout goes to instead."""

    def __init__(
        self, desk: Desk, *arguments: str, width: int = 80, height: int = 24, out: str | None = None, **env: str
    ) -> None:
        self.said = ""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", height, width, 0, 0))
        known = {name: value for name, value in desk.env.items() if name != "COLUMNS"}
        stdout = os.open(desk.folder / out, os.O_WRONLY | os.O_CREAT) if out else os.dup(slave)
        self._process = subprocess.Popen(
            [sys.executable, str(ROOT / "starter.py"), *arguments],
            cwd=desk.folder, env={"TERM": "xterm"} | known | env, stdin=slave, stdout=stdout, stderr=slave, text=True,
            start_new_session=True, preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )  # fmt: skip
        desk.running.append(self._process)
        os.close(slave)
        os.close(stdout)
        self._listening = Thread(target=self._listen, daemon=True)
        self._listening.start()
        self._answered = 0

    def _listen(self) -> None:
        with suppress(OSError):  # the terminal is gone with its last program
            while heard := os.read(self._master, 65536):
                self.said += heard.decode(errors="replace")

    @property
    def text(self) -> str:
        """What was written, without control codes."""
        return _CODES.sub("", self.said).replace("\r\n", "\n").replace("\r", "\n")

    def shows(self, text: str, seconds: float = 40) -> None:
        """Return once it has been written."""
        until(lambda: text in self.text, seconds)

    def answer(self, question: str, words: str) -> None:
        """Type it once the question is asked anew."""
        until(lambda: question in self.said[self._answered :], 40)
        self._answered = self.said.index(question, self._answered) + len(question)
        os.write(self._master, f"{words}\n".encode())

    def ended(self) -> EndedProcess:
        code = self._process.wait(60)
        self._listening.join(5)
        return EndedProcess(code, self.text, "")

    def type(self, words: str) -> None:
        """Whatever is there."""
        os.write(self._master, words.encode())

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def echoes(self) -> bool:
        """Whether what is typed is shown."""
        return bool(termios.tcgetattr(self._master)[3] & termios.ECHO)

    def close(self) -> None:
        os.close(self._master)


@contextmanager
def terminal(desk: Desk, *arguments: str, **options: object) -> Iterator[ProgramTerminal]:
    opened = ProgramTerminal(desk, *arguments, **options)  # type: ignore[arg-type]
    try:
        yield opened
    finally:
        desk.kill_all()
        opened.close()
