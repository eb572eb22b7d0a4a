"""Stored documents as others use them: encrypted where that is on, and files in plain for as long as they are read."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable
from contextlib import ExitStack, asynccontextmanager
from pathlib import Path
from typing import Protocol

from grammar.documents.values import stored_value
from grammar.errors import StorageFailed
from grammar.messages.reports import RunReport
from runtime.encryption.configured import Encryption
from runtime.encryption.sealing import encoder, is_sealed, missing_key_as_failure, open_file, seal_file
from runtime.storage.document_files import FileDocuments


class DocumentStore(Protocol):
    """Documents as they are kept, wherever that is. `folder`: where they are written before they are added."""

    folder: Path

    async def add(self, file: Path) -> str:
        """Take the file in, which is gone afterwards. Returns its key."""

    async def path(self, key: str) -> Path:
        """Return a file on this machine with the document in it. Raises StorageFailed."""


class StoredDocuments:
    """Keep documents, by the SHA-256 of what is kept.

    `scratch`: where a document is in plain while it is written or read; None: nothing is encrypted, and it is written
    beside those that are kept.
    """

    def __init__(self, kept: DocumentStore, encryption: Encryption | None = None, scratch: Path | None = None) -> None:
        self._kept = kept
        self._encryption = encryption or Encryption()
        self._scratch = scratch
        self.folder = scratch or kept.folder

    async def add(self, file: Path) -> str:
        """Take the file in, which is gone afterwards. Returns its key. When this returns, it is on the disk."""
        if not self._encryption.is_on:
            return await self._kept.add(file)
        sealed = await asyncio.to_thread(_made, self._kept.folder)
        try:
            with file.open("rb") as plain:
                await seal_file(encoder(self._encryption.codec), plain, sealed)
            key = await self._kept.add(sealed)
        finally:
            sealed.unlink(missing_ok=True)
        await asyncio.to_thread(file.unlink)
        return key

    @asynccontextmanager
    async def opened(self, keys: Iterable[str]) -> AsyncIterator[dict[str, Path]]:
        """Yield the documents as files in plain, by key, for the length of the block. Raises StorageFailed."""
        kept = {key: await self._kept.path(key) for key in keys}
        sealed = [key for key, file in kept.items() if is_sealed(file)]
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=self._scratch))) if sealed else Path()
            for key in sealed:
                with (folder / key).open("wb") as plain, missing_key_as_failure("document"):
                    await open_file(self._encryption.codec, kept[key], plain)
            yield kept | {key: folder / key for key in sealed}

    def tidy(self) -> None:
        """Remove what was never finished, a day after its process died."""
        if isinstance(self._kept, FileDocuments):
            self._kept.tidy()


async def filled(report: RunReport, documents: StoredDocuments | None) -> RunReport:
    """Return the report with all outputs in it. Raises StorageFailed where one is missing, damaged or out of reach."""
    if not report.stored:
        return report
    if documents is None:
        raise StorageFailed("some outputs are in payload storage, and this process is told of none")
    async with documents.opened({ref.key for ref in report.stored.values()}) as files:
        outputs = {name: stored_value(files[ref.key], ref.form) for name, ref in report.stored.items()}
    return report.model_copy(update={"outputs": report.outputs | outputs, "stored": {}})


def _made(folder: Path) -> Path:
    """Make an empty file in the folder."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as made:
        return Path(made.name)
