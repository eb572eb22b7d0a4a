"""File locks between processes. The kernel drops a lock when its holder dies, however it dies.

Standard library only: the supervisor loads this.
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import Self


class Lock:
    """Hold a file open and locked, until `release()` or the end of the last process that holds its descriptor."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a+b", buffering=0)  # open for as long as the lock is held

    def fileno(self) -> int:
        """Return the descriptor; a process that inherits it holds the lock as well."""
        return self._file.fileno()

    def take(self, mode: int) -> None:
        """Lock the file; `mode` is flock's. With LOCK_NB, raises BlockingIOError where another holder is in the way."""
        fcntl.flock(self._file, mode)

    def names(self, path: Path) -> bool:
        """Return whether `path` is still the file that is locked."""
        try:
            return os.path.samestat(os.fstat(self.fileno()), path.stat())
        except FileNotFoundError:
            return False

    def release(self) -> None:
        """Close the file. May be called again."""
        self._file.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release()


def acquire(path: Path, *, shared: bool = False) -> Lock:
    """Wait for the lock, without a limit, and return it."""
    lock = Lock(path)
    lock.take(fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    return lock


def attempt(path: Path, *, shared: bool = False) -> Lock | None:
    """Return the lock, or None where another holder is in the way."""
    lock = Lock(path)
    try:
        lock.take((fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | fcntl.LOCK_NB)
    except BlockingIOError:
        lock.release()
        return None
    return lock


def is_held(path: Path, *, shared: bool = False) -> bool:
    """Return whether somebody holds the lock exclusively; with `shared`, whether anybody holds it at all."""
    lock = attempt(path, shared=not shared)
    if lock is None:
        return True
    lock.release()
    return False
