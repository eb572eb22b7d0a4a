"""Documents of payload storage in files, on a disk that starters and workers of a run share."""

import asyncio
import hashlib
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from grammar.documents.values import stored_value
from grammar.errors import StorageFailed
from grammar.messages.reports import RunReport

LEFT_BEHIND = 24 * 3600.0


class FileDocuments:
    """Keeps each document in `directory`/ab/abcd...: SHA-256 of its bytes, written once, never changed."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Beside them, so that a finished one is moved there in one step.
        self.folder = directory / "unfinished"

    async def add(self, file: Path) -> str:
        """Take the file in, which is gone afterwards. Returns its key. When this returns, it is on the disk."""
        return await asyncio.to_thread(self._add, file)

    async def path(self, key: str) -> Path:
        """The document's file. Raises StorageFailed."""
        return await asyncio.to_thread(self._checked, key)

    def tidy(self) -> None:
        """Remove what was never finished: its process died, more than a day ago."""
        for left in self.folder.glob("*"):
            with suppress(FileNotFoundError):
                if time.time() - left.stat().st_mtime > LEFT_BEHIND:
                    shutil.rmtree(left) if left.is_dir() else left.unlink()

    def _add(self, file: Path) -> str:
        key = digest(file)
        place = self._place(key)
        if place.exists():
            file.unlink()
            return key
        with file.open("rb") as written:
            os.fsync(written.fileno())
        place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.replace(place)
        return key

    def _checked(self, key: str) -> Path:
        place = self._place(key)
        if not place.exists():
            raise StorageFailed(f"the document {place} is missing: it was deleted, or is on another machine")
        if digest(place) != key:
            raise StorageFailed(f"the document {place} is damaged: it does not have the hash that it is named by")
        return place

    def _place(self, key: str) -> Path:
        return self._directory / key[:2] / key


def digest(file: Path) -> str:
    """The key of the document in that file."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


class DocumentStore(Protocol):
    """Documents, wherever they are kept."""

    async def path(self, key: str) -> Path:
        """A file on this machine with the document in it. Raises StorageFailed."""


async def filled(report: RunReport, documents: DocumentStore | None) -> RunReport:
    """The report with all outputs in it. Raises StorageFailed."""
    if not report.stored:
        return report
    if documents is None:
        raise StorageFailed("some outputs are in payload storage, and this process is told of none")
    found = {name: stored_value(await documents.path(one.key), one.form) for name, one in report.stored.items()}
    return report.model_copy(update={"outputs": report.outputs | found, "stored": {}})
