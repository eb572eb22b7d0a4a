"""Where journals are kept: what a worker wires together before it has loaded what runs agents."""

from typing import Protocol


class JournalStore(Protocol):
    """Keep journals by key, line by line. Keys have the form `run/activity`."""

    async def read(self, key: str) -> list[str]:
        """Return the lines so far; none where there is no such journal. Raises StorageFailed."""

    async def append(self, key: str, line: str) -> None:
        """Add a line: when this returns, it outlives the process. Raises StorageFailed."""
