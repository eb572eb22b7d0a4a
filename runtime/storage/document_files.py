"""Documents of payload storage in files, on a disk that starters and workers of a run share."""

import asyncio
import hashlib
import os
import shutil
import time
from contextlib import suppress
from pathlib import Path

from grammar.errors import StorageFailed
from runtime.encryption.codec import stored_as
from runtime.encryption.sealing import first_piece
from runtime.storage.payloads import is_kept

LEFT_BEHIND = 24 * 3600.0


class FileDocuments:
    """Keep each document in `directory`/ab/abcd...: SHA-256 of its bytes. Only `reencrypt` writes it anew."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        # Beside them, so that a finished one is moved there in one step.
        self.folder = directory / "unfinished"

    async def add(self, file: Path) -> str:
        """Take the file in, which is gone afterwards. Returns its key. When this returns, it is on the disk."""
        return await asyncio.to_thread(self._add, file)

    async def path(self, key: str) -> Path:
        """Return the document's file. Raises StorageFailed where it is missing or damaged."""
        return await asyncio.to_thread(self._checked, key)

    def tidy(self) -> None:
        """Remove what was never finished: its process died, more than LEFT_BEHIND seconds ago. Others' files stay."""
        for entry in self.folder.glob("*"):
            with suppress(OSError):  # gone, or another user's on a shared disk
                if time.time() - entry.stat().st_mtime > LEFT_BEHIND:
                    shutil.rmtree(entry) if entry.is_dir() else entry.unlink()

    def _add(self, file: Path) -> str:
        key = digest(file)
        target = self._path(key)
        if is_kept(target):
            file.unlink()
            return key
        with file.open("rb") as written:
            os.fsync(written.fileno())
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        file.replace(target)
        return key

    def _checked(self, key: str) -> Path:
        file = self._path(key)
        if not file.exists():
            raise StorageFailed(f"the document {file} is missing: it was deleted, or is on another machine")
        if not is_whole(file, key):
            raise StorageFailed(f"the document {file} is damaged: it does not have the hash that it is named by")
        return file

    def _path(self, key: str) -> Path:
        return self._directory / key[:2] / key


def digest(file: Path) -> str:
    """Return the key of the document in that file: its SHA-256, in hex."""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


def is_whole(file: Path, key: str) -> bool:
    """Return whether the file is the document of that key, as it was stored, or as it was encrypted anew since."""
    if digest(file) == key:
        return True
    piece = first_piece(file)
    return piece is not None and stored_as(piece) == key
