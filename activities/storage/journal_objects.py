"""Journals in S3, where the workers of a run share no disk (docs/decisions/0008)."""

import asyncio
import re

from activities.storage.objects import ObjectStore

MAX_REMEMBERED = 1000
_NUMBER = re.compile(r"[0-9]{8,}")


class JournalObjects:
    """Keep the journal `a/b` in the objects journals/a/b/00000000, ...: one for each line, in the order of the lines.

    A number is taken by creating the object: of two writers, S3 lets one have it, and the other takes the next.
    Whatever else lies there is somebody else's: it is not read.
    """

    def __init__(self, objects: ObjectStore) -> None:
        self._objects = objects
        self._next: dict[str, int] = {}

    async def read(self, key: str) -> list[str]:
        """Return the lines so far; none where there is no such journal. Raises StorageFailed."""
        keys = [_object(key, number) for number in await self._numbers(key)]
        return [line.decode(errors="replace") for line in await asyncio.gather(*map(self._objects.read, keys))]

    async def append(self, key: str, line: str) -> None:
        """Add a line: when this returns, it is stored. Raises StorageFailed."""
        number = self._next[key] if key in self._next else await self._next_number(key)
        while not await self._objects.create(_object(key, number), line.encode()):
            number = await self._next_number(key)
        self._remember(key, number + 1)

    async def _next_number(self, key: str) -> int:
        """Return the number after all that are there."""
        return max(await self._numbers(key), default=-1) + 1

    async def _numbers(self, key: str) -> list[int]:
        """Return the numbers of the lines, in order."""
        folder = _folder(key)
        names = [found.removeprefix(f"{folder}/") for found in await self._objects.keys(folder)]
        return sorted(int(name) for name in names if _NUMBER.fullmatch(name))

    def _remember(self, key: str, number: int) -> None:
        """Remember the next number; the oldest may be forgotten: it only saves a request."""
        self._next.pop(key, None)
        self._next[key] = number
        while len(self._next) > MAX_REMEMBERED:
            del self._next[next(iter(self._next))]


def _folder(key: str) -> str:
    return f"journals/{key}"


def _object(key: str, number: int) -> str:
    return f"{_folder(key)}/{number:08}"
