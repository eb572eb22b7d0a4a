"""A working directory that somebody else has filled, and a process environment that a test may have changed."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# Names that programs of ours, their libraries, and servers import.
TRAPS = (
    "activities/__init__.py", "grammar/__init__.py", "runtime/__init__.py", "commands/__init__.py",
    "taskflows/__init__.py", "temporal_taskflow/__init__.py", "worker.py", "starter.py", "typer.py", "json.py",
    "typing.py", "asyncio.py", "runpy.py", "mcp.py", "agents.py", "sitecustomize.py", "usercustomize.py",
)  # fmt: skip


@dataclass
class HostileFolder:
    """The working directory. `sprung`: the file that its code leaves behind, wherever it is run."""

    path: Path
    sprung: Path

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def set_traps(self) -> None:
        """A module by each name that somebody may import; it ends the process that does."""
        code = f"open({str(self.sprung)!r}, 'a').write(__file__ + '\\n')\nraise SystemExit(9)\n"
        for name in TRAPS:
            self.write(name, code)

    @property
    def has_sprung(self) -> bool:
        return self.sprung.exists()


@pytest.fixture
def hostile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> HostileFolder:
    """The working directory of the test."""
    folder = HostileFolder(tmp_path / "checkout", tmp_path / "sprung")
    folder.path.mkdir()
    monkeypatch.chdir(folder.path)
    return folder


@pytest.fixture
def environment() -> Iterator[dict[str, str]]:
    """The process's environment, put back afterwards: what is read from a file is set in it."""
    before = dict(os.environ)
    yield before
    os.environ.clear()
    os.environ.update(before)
