"""How fast the branches of a task end, and when all will have."""

from collections import deque
from collections.abc import Sequence
from datetime import datetime, timedelta

# The rate is of the newest branches: of those that ended within the window, and of at least so many.
WINDOW = timedelta(seconds=60)
MIN_ENDED_IN_WINDOW = 20
# Fewer, or in less time, say nothing.
MIN_ENDED = 3
MIN_SECONDS = 1.0


class Throughput:
    """Measure the rate at which the branches of one task end, from samples of how many have ended."""

    def __init__(self) -> None:
        self._samples: deque[tuple[datetime, int]] = deque()

    def record(self, now: datetime, ended: int) -> None:
        """Add the sample that `ended` branches have ended by `now`.

        A number below the last one means that failed branches are tried again: the measurement begins anew.
        """
        if self._samples and ended < self._samples[-1][1]:
            self._samples.clear()
        if self._samples and ended == self._samples[-1][1] and len(self._samples) > 1:
            return
        self._samples.append((now, ended))
        while len(self._samples) > 2 and self._is_oldest_stale(now, ended):
            self._samples.popleft()

    def rate(self, now: datetime) -> float | None:
        """Return the branches per second up to `now`; None where it is too early to say."""
        if not self._samples:
            return None
        (start, ended_before), (_, ended) = self._samples[0], self._samples[-1]
        seconds = (now - start).total_seconds()
        return (
            (ended - ended_before) / seconds if ended - ended_before >= MIN_ENDED and seconds >= MIN_SECONDS else None
        )

    def seconds_left(self, now: datetime, total: int) -> float | None:
        """Return the seconds until all `total` branches have ended at this rate; None without a rate."""
        rate = self.rate(now)
        return (total - self._samples[-1][1]) / rate if rate else None

    def _is_oldest_stale(self, now: datetime, ended: int) -> bool:
        """Whether the measurement may as well begin with the second sample."""
        second, ended_before = self._samples[1]
        return now - second > WINDOW and ended - ended_before >= MIN_ENDED_IN_WINDOW


def with_waits(working: float | None, waits: Sequence[float], others: int) -> float | None:
    """Return the seconds until all branches have ended, where some wait; None where `working` is None.

    `working`: the seconds at the measured rate. `waits`: for how long each of those goes on waiting; `others`: how many
    do not. Nothing ends before its wait; and where all wait, the work goes on when the first wait is over.
    """
    if working is None or not waits:
        return working
    return max(working, *waits) if others else max(min(waits) + working, *waits)


def format_rate(rate: float) -> str:
    """Return a rate per second in the unit that suits it: `12/s`, `4.5/min`, `2/h`."""
    for unit, seconds in (("s", 1), ("min", 60), ("h", 3600)):
        if rate * seconds >= 1 or unit == "h":
            break
    number = rate * seconds
    return f"{number:.0f}/{unit}" if number >= 10 else f"{number:.1f}/{unit}"


def seconds_between(start: datetime | None, end: datetime | None) -> float | None:
    """Return the seconds; None where either is not known. Never negative: the clocks of two machines may differ."""
    return max(0.0, (end - start).total_seconds()) if start and end else None
