"""The journal of one agent run where no storage keeps it: its heartbeats and its next leg carry it along."""

from collections.abc import Sequence

LARGEST = 1_000_000
"""Characters: with all else, a heartbeat stays below Temporal's limit of 2 MB."""


class HeartbeatJournal:
    """Lines in memory. A conversation too large to be carried is not: interrupted, it starts anew."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = list(lines)
        self._size = sum(map(len, lines))

    @property
    def lines(self) -> list[str]:
        """All of them, or none where they are too large."""
        return list(self._lines) if self._size <= LARGEST else []

    async def read(self, key: str) -> list[str]:
        """The lines so far."""
        return self.lines

    async def append(self, key: str, line: str) -> None:
        """Add a line."""
        self._size += len(line)
        self._lines = [*self._lines, line] if self._size <= LARGEST else []
