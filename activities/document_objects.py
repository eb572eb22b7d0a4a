"""Big values in S3, by the SHA-256 of what they hold."""

import asyncio
import hashlib
import tempfile
from pathlib import Path
from weakref import WeakValueDictionary

from activities.objects import Objects
from grammar.errors import StorageFailed


class DocumentObjects:
    """Keeps each value in the object documents/ab/abcd..., and a copy of each that was asked for in `cache`."""

    def __init__(self, objects: Objects, cache: Path) -> None:
        self._objects = objects
        self._cache = cache
        self._fetching: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def add(self, file: Path) -> str:
        """Take the file in: it is gone afterwards. Returns the value's key. Raises StorageFailed."""
        key = await asyncio.to_thread(_sha256, file)
        await self._objects.upload(file, f"documents/{_place(key)}")
        await asyncio.to_thread(file.unlink)
        return key

    async def path(self, key: str) -> Path:
        """A file of this machine that holds the value. Raises StorageFailed where it is missing or damaged."""
        kept = self._cache / _place(key)
        async with self._fetching.setdefault(key, asyncio.Lock()):
            if not kept.exists():
                await self._fetch(key, kept)
        return kept

    async def _fetch(self, key: str, kept: Path) -> None:
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            unfinished = Path(folder) / key
            await self._objects.download(f"documents/{_place(key)}", unfinished)
            if await asyncio.to_thread(_sha256, unfinished) != key:
                raise StorageFailed(f"the document {key} is damaged: it does not have the hash it is named by")
            unfinished.replace(kept)


def _place(key: str) -> str:
    return f"{key[:2]}/{key}"


def _sha256(file: Path) -> str:
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()
