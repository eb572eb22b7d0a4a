"""The journal of one agent run where no storage keeps it: its heartbeats and its next leg carry it along."""

from collections.abc import Sequence

MAX_CHARACTERS = 1_000_000
"""With all else, a heartbeat stays below Temporal's limit of 2 MB."""


class HeartbeatJournal:
    """Keep the lines of one journal in memory. Beyond MAX_CHARACTERS all are dropped: the next attempt starts anew."""

    def __init__(self, lines: Sequence[str]) -> None:
        self._lines = list(lines)
        self._size = sum(map(len, lines))

    @property
    def lines(self) -> list[str]:
        """Return all lines; none where they are too large for a heartbeat."""
        return list(self._lines) if self._size <= MAX_CHARACTERS else []

    async def read(self, key: str) -> list[str]:
        """Return the lines so far. There is one journal only, whatever the key."""
        return self.lines

    async def append(self, key: str, line: str) -> None:
        """Add a line."""
        self._size += len(line)
        self._lines = [*self._lines, line] if self._size <= MAX_CHARACTERS else []
