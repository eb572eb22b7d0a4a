"""Journals in S3, where the workers of a run share no disk (docs/decisions/0008)."""

import asyncio

from activities.storage.objects import Objects

REMEMBERED = 1000


class JournalObjects:
    """Keeps the journal `a/b` in the objects journals/a/b/00000000, ...: one a line, numbered as they were added.

    A number is taken by writing the object: of two writers, S3 lets one have it, and the other takes the next.
    """

    def __init__(self, objects: Objects) -> None:
        self._objects = objects
        self._next: dict[str, int] = {}

    async def read(self, key: str) -> list[str]:
        """The lines so far; none where there is no such journal."""
        keys = await self._objects.keys(_folder(key))
        return [line.decode() for line in await asyncio.gather(*map(self._objects.read, keys))]

    async def append(self, key: str, line: str) -> None:
        """Add a line."""
        number = self._next[key] if key in self._next else await self._free(key)
        while not await self._objects.create(f"{_folder(key)}/{number:08}", line.encode()):
            number = await self._free(key)
        self._remember(key, number + 1)

    async def _free(self, key: str) -> int:
        """The number after all that are there."""
        keys = await self._objects.keys(_folder(key))
        return int(keys[-1].rpartition("/")[2]) + 1 if keys else 0

    def _remember(self, key: str, number: int) -> None:
        """It only saves looking, so the oldest may be forgotten."""
        self._next.pop(key, None)
        self._next[key] = number
        while len(self._next) > REMEMBERED:
            del self._next[next(iter(self._next))]


def _folder(key: str) -> str:
    return f"journals/{key}"
