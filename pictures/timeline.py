"""When everything ran, as bars. Long times in which nothing ran are cut short, so that a night is not all one sees."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from grammar.documents.durations import spoken

IDLE = 0.25
SHORTEST_IDLE = 60
SHOWN_IDLE = 0.05
STEPS = [
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30),
    *(60 * one for one in (1, 2, 5, 10, 20, 30)),
    *(3600 * one for one in (1, 2, 4, 8, 12, 24, 48, 120, 240, 480)),
]
TICKS = 7

Span = tuple[float, float]


@dataclass(frozen=True)
class Piece:
    """A stretch of time, in seconds from the run's start, and where it is shown, in percent."""

    begin: float
    end: float
    left: float
    right: float
    idle: bool

    @property
    def told(self) -> str:
        """How long nothing ran."""
        return f"{spoken(timedelta(seconds=self.end - self.begin))} in which nothing ran"


@dataclass(frozen=True)
class Tick:
    """A mark of the axis."""

    at: float
    label: str


@dataclass(frozen=True)
class Bar:
    """A stretch of work in percent, and the lane it is in."""

    left: float
    width: float
    lane: int


class Scale:
    """From a time to its place, in percent. `busy`: when anything ran."""

    def __init__(self, started: datetime, until: datetime, busy: Iterable[tuple[datetime, datetime]]) -> None:
        self._started = started
        total = max(self._seconds(until), 0.001)
        self.pieces = list(_pieces(_merged(sorted((self._seconds(a), self._seconds(b)) for a, b in busy)), total))

    def at(self, time: datetime) -> float:
        """The place of a time, in percent."""
        seconds = self._seconds(time)
        piece = next((one for one in self.pieces if seconds <= one.end), self.pieces[-1])
        share = (seconds - piece.begin) / ((piece.end - piece.begin) or 1)
        return round(piece.left + min(1.0, max(0.0, share)) * (piece.right - piece.left), 3)

    def ticks(self) -> Iterator[Tick]:
        """Marks at round times after the start, not too close to each other."""
        shown = [one for one in self.pieces if not one.idle]
        wanted = sum(one.end - one.begin for one in shown) / TICKS
        step = next((one for one in STEPS if one >= wanted), STEPS[-1])
        last = -100.0
        for piece in shown:
            number = -int(-piece.begin // step)
            while (seconds := number * step) <= piece.end:
                at = self.at(self._started + timedelta(seconds=seconds))
                if at - last >= 6 and at <= 97:
                    last = at
                    yield Tick(at, _label(seconds))
                number += 1

    def _seconds(self, time: datetime) -> float:
        return max(0.0, (time - self._started).total_seconds())


def bars(scale: Scale, spans: Sequence[tuple[datetime, datetime]]) -> tuple[list[Bar], int]:
    """A bar for each span, in the first lane that is free; and how many lanes there are."""
    free, made = list[datetime](), dict[int, Bar]()
    for number, (begin, end) in sorted(enumerate(spans), key=lambda one: one[1]):
        lane = next((lane for lane, until in enumerate(free) if until <= begin), len(free))
        free[lane:lane + 1] = [end]  # fmt: skip
        left = scale.at(begin)
        made[number] = Bar(left, round(max(0.15, scale.at(end) - left), 3), lane)
    return [made[number] for number in range(len(spans))], len(free)


def _merged(spans: list[Span]) -> list[Span]:
    found = list[Span]()
    for begin, end in spans:
        if found and begin <= found[-1][1]:
            found[-1] = (found[-1][0], max(end, found[-1][1]))
        else:
            found.append((begin, end))
    return found


def _pieces(busy: list[Span], total: float) -> Iterator[Piece]:
    """The whole time: with a stretch of its own for each long time in which nothing ran."""
    worked = sum(end - begin for begin, end in busy) or total
    times = [0.0, *(time for span in busy for time in span), total]
    idle = [
        span
        for span in zip(times[::2], times[1::2], strict=True)
        if span[1] - span[0] > max(SHORTEST_IDLE, IDLE * worked)
    ]
    edges = sorted({0.0, total, *(time for span in idle for time in span)})
    stretches = [(begin, end, (begin, end) in idle) for begin, end in pairwise(edges)]
    widths = [SHOWN_IDLE * worked if is_idle else end - begin for begin, end, is_idle in stretches]
    left, whole = 0.0, sum(widths)
    for (begin, end, is_idle), width in zip(stretches, widths, strict=True):
        right = left + 100 * width / whole
        yield Piece(begin, end, round(left, 3), round(right, 3), is_idle)
        left = right


def _label(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:g} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes} min" if rest == 0 else f"{minutes}:{rest:02} min"
    hours, minutes = divmod(minutes, 60)
    if rest:
        return f"{hours}:{minutes:02}:{rest:02} h"
    return f"{hours} h" if minutes == 0 else f"{hours}:{minutes:02} h"
