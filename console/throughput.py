"""How fast the branches of a task end, and when all will have."""

from collections import deque
from datetime import datetime, timedelta

# The newest that are looked at: of this time, and at least so many.
WINDOW = timedelta(seconds=60)
ENOUGH = 20
# Fewer, or in less time, say nothing.
FEWEST = 3
SHORTEST = 1.0


class Throughput:
    """Takes in how many have ended, from time to time."""

    def __init__(self) -> None:
        self._seen: deque[tuple[datetime, int]] = deque()

    def see(self, now: datetime, ended: int) -> None:
        """So many have ended by now. Fewer than before: some are tried again."""
        if self._seen and ended < self._seen[-1][1]:
            self._seen.clear()
        if self._seen and ended == self._seen[-1][1] and len(self._seen) > 1:
            return
        self._seen.append((now, ended))
        while len(self._seen) > 2 and self._is_old(now, ended):
            self._seen.popleft()

    def rate(self, now: datetime) -> float | None:
        """Per second, at the end of it all; None where it is too early to say."""
        if not self._seen:
            return None
        (first, before), (_, ended) = self._seen[0], self._seen[-1]
        seconds = (now - first).total_seconds()
        return (ended - before) / seconds if ended - before >= FEWEST and seconds >= SHORTEST else None

    def left(self, now: datetime, total: int) -> float | None:
        """Seconds until all have ended, if it goes on so."""
        rate = self.rate(now)
        return (total - self._seen[-1][1]) / rate if rate else None

    def _is_old(self, now: datetime, ended: int) -> bool:
        following, count = self._seen[1]
        return now - following > WINDOW and ended - count >= ENOUGH


def told(rate: float) -> str:
    """`12/s`, `4.5/min`, `2/h`."""
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        if rate * seconds >= 1 or unit == "h":
            break
    number = rate * seconds
    return f"{number:.0f}/{unit}" if number >= 10 else f"{number:.1f}/{unit}"
