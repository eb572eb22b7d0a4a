"""Documents of payload storage in S3, by the SHA-256 of what they hold."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from grammar.errors import StorageFailed
from runtime.storage.document_files import digest, is_whole

if TYPE_CHECKING:  # loads what only those who configure S3 have installed
    from runtime.storage.s3 import Bucket


class DocumentObjects:
    """Keep each document in the object documents/ab/abcd..., and a copy of each that was asked for in `cache`."""

    def __init__(self, bucket: Bucket, cache: Path) -> None:
        self._bucket = bucket
        self._cache = cache
        self.folder = cache / "unfinished"
        self._fetching: WeakValueDictionary[str, asyncio.Lock] = WeakValueDictionary()

    async def add(self, file: Path) -> str:
        """Take the file in, which is gone afterwards. Returns its key. Raises StorageFailed."""
        key = await asyncio.to_thread(digest, file)
        await self._bucket.upload(file, f"documents/{_object_name(key)}")
        await asyncio.to_thread(file.unlink)
        return key

    async def path(self, key: str) -> Path:
        """Return a file on this machine with the document in it. Raises StorageFailed."""
        kept = self._cache / _object_name(key)
        async with self._fetching.setdefault(key, asyncio.Lock()):
            if not kept.exists():
                await self._fetch(key, kept)
        return kept

    async def _fetch(self, key: str, kept: Path) -> None:
        kept.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=kept.parent) as folder:
            unfinished = Path(folder) / key
            await self._bucket.download(f"documents/{_object_name(key)}", unfinished)
            if not await asyncio.to_thread(is_whole, unfinished, key):
                raise StorageFailed(f"the document {key} is damaged: it does not have the hash it is named by")
            unfinished.replace(kept)


def _object_name(key: str) -> str:
    return f"{key[:2]}/{key}"
