"""Results too large to be carried around by a run: kept in payload storage, by the hash of what they hold."""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Literal, Protocol

from grammar.documents.values import BranchOutput, StoredDocument
from grammar.errors import StorageFailed
from grammar.messages.activity_results import BranchResult


class Documents(Protocol):
    """Keep documents in payload storage. `folder`: where they are written before they are added."""

    folder: Path

    async def add(self, file: Path) -> str:
        """Move the file into the storage, and return its key: the SHA-256 of its bytes, in hex."""

    def opened(self, keys: Iterable[str]) -> AbstractAsyncContextManager[dict[str, Path]]:
        """Return the documents as files on this machine, by key, for the length of a block. Raises StorageFailed."""


async def store(documents: Documents, content: bytes, form: Literal["value", "given", "text"]) -> StoredDocument:
    """Store the content, and return the reference to it."""
    return await store_file(documents, await asyncio.to_thread(_write, documents.folder, content), form)


async def store_file(documents: Documents, file: Path, form: Literal["value", "given", "text"]) -> StoredDocument:
    """Move the file into the storage, and return the reference to it."""
    size = file_size(file)
    return StoredDocument(key=await documents.add(file), size=size, form=form)


@asynccontextmanager
async def document_files(
    documents: Documents | None, references: Iterable[StoredDocument]
) -> AsyncIterator[dict[str, Path]]:
    """Yield the documents as files, by key. Raises StorageFailed, also where this worker has no storage."""
    keys = {reference.key for reference in references}
    if keys and documents is None:
        raise StorageFailed("the run keeps results in payload storage, and this worker is told of none")
    if documents is None:
        yield {}
        return
    async with documents.opened(keys) as files:
        yield files


async def store_if_large(result: BranchResult, documents: Documents | None, kept: int) -> BranchResult:
    """Return the result; where its value and its tool results have more than `kept` bytes, with them stored."""
    if documents is None or result.leg or not result.produced:
        return result
    content = BranchOutput(value=result.value, tool_results=result.tool_results).model_dump_json().encode()
    if len(content) <= kept:
        return result
    stored = await store(documents, content, "given")
    emptied: dict[str, object] = {"value": None, "tool_results": []}
    return result.model_copy(update={**emptied, "stored": stored, "results": len(result.tool_results)})


@contextmanager
def unfinished(folder: Path) -> Iterator[Path]:
    """Make a file in the folder, to be written by the block; it is gone where the block fails, as on a full disk."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as made:
        file = Path(made.name)
    try:
        yield file
    except BaseException:
        file.unlink(missing_ok=True)
        raise


def file_size(file: Path) -> int:
    """Return the size of the file, in bytes."""
    return file.stat().st_size


def _write(folder: Path, content: bytes) -> Path:
    with unfinished(folder) as file:
        file.write_bytes(content)
    return file
