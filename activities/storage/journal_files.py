"""Journals in files, one each, on a disk that all workers of a run share."""

import asyncio
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from grammar.errors import StorageFailed


class JournalFiles:
    """Keep the journal `a/b` in `directory`/a/b.jsonl. Raises StorageFailed where the disk is full, or not there."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    async def read(self, key: str) -> list[str]:
        """Return the lines so far, a cut or empty one among them; none where there is no such journal."""
        with _storage_errors():
            return await asyncio.to_thread(_lines, self._path(key))

    async def append(self, key: str, line: str) -> None:
        """Add a line: when this returns, it is on the disk."""
        with _storage_errors():
            await asyncio.to_thread(_append, self._path(key), line)

    def _path(self, key: str) -> Path:
        return self._directory / f"{key}.jsonl"


@contextmanager
def _storage_errors() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageFailed(f"the journal of the agent run: {error.strerror}: {error.filename}") from error


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []


def _append(path: Path, line: str) -> None:
    """Write the line after a line break: the last line may have been cut off."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _open_to_append(path) as file:
        content = f"\n{line}\n".encode()
        while content:  # on a full disk a part is written, and the next write fails
            content = content[os.write(file, content) :]
        os.fdatasync(file)


@contextmanager
def _open_to_append(path: Path) -> Iterator[int]:
    """Yield the file's descriptor. `reencrypt`, which puts another file in its place, waits meanwhile."""
    while True:
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
        try:
            with suppress(OSError):  # a file system without locks, where `reencrypt` leaves journals as they are
                fcntl.flock(file, fcntl.LOCK_SH)
            if _is_still(path, file):
                yield file
                return
        finally:
            os.close(file)


def _is_still(path: Path, file: int) -> bool:
    """Return whether that is the file, and not one that was in its place until now."""
    try:
        return os.path.samestat(os.fstat(file), path.stat())
    except FileNotFoundError:
        return False
