"""Where journals are kept: what a worker wires together before it has loaded what runs agents."""

from typing import Protocol


class JournalStore(Protocol):
    """Journals by their keys, line by line."""

    async def read(self, key: str) -> list[str]:
        """The lines so far."""

    async def append(self, key: str, line: str) -> None:
        """Add a line: when this returns, it outlives the process."""
