"""Results too large to be carried around by a run: kept in payload storage, by the hash of what they hold."""

import asyncio
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Literal, Protocol

from grammar.documents.values import BranchOutput, StoredDocument
from grammar.errors import StorageFailed
from grammar.messages.activity_results import BranchResult


class Documents(Protocol):
    """Payload storage for documents. `folder`: where they are written, before they are added."""

    folder: Path

    async def add(self, file: Path) -> str:
        """Take the file in, which is gone afterwards. Returns its key: the SHA-256 of its bytes, in hex."""

    async def path(self, key: str) -> Path:
        """A file on this machine with the document in it. Raises StorageFailed."""


async def keep(documents: Documents, content: bytes, form: Literal["value", "given", "text"]) -> StoredDocument:
    """Store the content."""
    return await keep_file(documents, await asyncio.to_thread(_written, documents.folder, content), form)


async def keep_file(documents: Documents, file: Path, form: Literal["value", "given", "text"]) -> StoredDocument:
    """Store the file's content."""
    size = size_of(file)
    return StoredDocument(key=await documents.add(file), size=size, form=form)


async def files_of(documents: Documents | None, wanted: Iterable[StoredDocument]) -> dict[str, Path]:
    """The documents as files, by key. Raises StorageFailed."""
    keys = {one.key for one in wanted}
    if keys and documents is None:
        raise StorageFailed("the run keeps results in payload storage, and this worker is told of none")
    return {key: await documents.path(key) for key in keys} if documents else {}


async def slim(deployed: BranchResult, documents: Documents | None, kept: int) -> BranchResult:
    """What a branch gave, with its value and its tool results stored where they have more than `kept` bytes."""
    if documents is None or deployed.leg or not deployed.produced:
        return deployed
    content = BranchOutput(value=deployed.value, tool_results=deployed.tool_results).model_dump_json().encode()
    if len(content) <= kept:
        return deployed
    stored = await keep(documents, content, "given")
    here: dict[str, object] = {"value": None, "tool_results": []}
    return deployed.model_copy(update={**here, "stored": stored, "results": len(deployed.tool_results)})


def size_of(file: Path) -> int:
    """Bytes."""
    return file.stat().st_size


def _written(folder: Path, content: bytes) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=folder, delete=False) as file:
        file.write(content)
    return Path(file.name)
