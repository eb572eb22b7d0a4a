"""When everything ran, as bars. Long times in which nothing ran are cut short, so that a night is not all one sees.

Places are in percent of the timeline's width.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise

from grammar.documents.durations import spoken

# Idle is a time without work that is longer than this share of all work, and than so many seconds.
IDLE_SHARE = 0.25
MIN_IDLE_SECONDS = 60
# It is shown as long as this share of all work.
SHOWN_IDLE_SHARE = 0.05
TICK_SECONDS = [
    *(0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30),
    *(60 * minutes for minutes in (1, 2, 5, 10, 20, 30)),
    *(3600 * hours for hours in (1, 2, 4, 8, 12, 24, 48, 120, 240, 480)),
]
TICKS = 7
MIN_TICK_GAP = 6
MAX_TICK_POSITION = 97
MIN_BAR_WIDTH = 0.4

_Span = tuple[float, float]


@dataclass(frozen=True)
class TimeSegment:
    """A stretch of time, in seconds from the run's start, and where it is shown, in percent. `idle`: nothing ran."""

    start: float
    end: float
    left: float
    right: float
    idle: bool

    @property
    def seconds(self) -> float:
        """Return how long it is."""
        return self.end - self.start

    @property
    def idle_label(self) -> str:
        """Return for how long nothing ran, in words."""
        return f"{spoken(timedelta(seconds=self.seconds))} in which nothing ran"


@dataclass(frozen=True)
class Tick:
    """A mark of the axis. `position`: in percent."""

    position: float
    label: str


@dataclass(frozen=True)
class PlacedSpan:
    """A stretch of work: where it is shown, in percent, and in which lane."""

    left: float
    width: float
    lane: int


class TimeScale:
    """Map times to places, in percent. `busy`: when anything ran; may overlap, in any order."""

    def __init__(self, started: datetime, until: datetime, busy: Iterable[tuple[datetime, datetime]]) -> None:
        self._started = started
        total = max(self._seconds(until), 0.001)
        spans = sorted((self._seconds(start), self._seconds(end)) for start, end in busy)
        self.segments = list(_segments(_merged(spans), total))

    def position(self, time: datetime) -> float:
        """Return the place of a time, in percent."""
        seconds = self._seconds(time)
        segment = next((segment for segment in self.segments if seconds <= segment.end), self.segments[-1])
        share = (seconds - segment.start) / (segment.seconds or 1)
        return round(segment.left + min(1.0, max(0.0, share)) * (segment.right - segment.left), 3)

    def place(self, start: datetime, end: datetime) -> tuple[float, float]:
        """Return where the time between is shown, and how wide: wide enough to be seen."""
        left = self.position(start)
        return left, round(max(MIN_BAR_WIDTH, self.position(end) - left), 3)

    def ticks(self) -> Iterator[Tick]:
        """Yield marks at round times after the start, not too close to each other."""
        shown = [segment for segment in self.segments if not segment.idle]
        wanted = sum(segment.seconds for segment in shown) / TICKS
        step = next((seconds for seconds in TICK_SECONDS if seconds >= wanted), TICK_SECONDS[-1])
        last = -100.0
        for segment in shown:
            number = -int(-segment.start // step)
            while (seconds := number * step) <= segment.end:
                position = self.position(self._started + timedelta(seconds=seconds))
                if position - last >= MIN_TICK_GAP and position <= MAX_TICK_POSITION:
                    last = position
                    yield Tick(position, _label(seconds))
                number += 1

    def _seconds(self, time: datetime) -> float:
        return max(0.0, (time - self._started).total_seconds())


def place_spans(scale: TimeScale, spans: Sequence[tuple[datetime, datetime]]) -> tuple[list[PlacedSpan], int]:
    """Return each span with its place, in the first lane that is free, and how many lanes there are."""
    free_from, placed = list[datetime](), dict[int, PlacedSpan]()
    for number, (start, end) in sorted(enumerate(spans), key=lambda numbered: numbered[1]):
        lane = next((lane for lane, free in enumerate(free_from) if free <= start), len(free_from))
        free_from[lane:lane + 1] = [end]  # fmt: skip
        placed[number] = PlacedSpan(*scale.place(start, end), lane)
    return [placed[number] for number in range(len(spans))], len(free_from)


def _merged(spans: list[_Span]) -> list[_Span]:
    merged = list[_Span]()
    for start, end in spans:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]))
        else:
            merged.append((start, end))
    return merged


def _segments(busy: list[_Span], total: float) -> Iterator[TimeSegment]:
    """The whole time: with a segment of its own for each long time in which nothing ran."""
    worked = sum(end - start for start, end in busy) or total
    times = [0.0, *(time for span in busy for time in span), total]
    idle = [
        span
        for span in zip(times[::2], times[1::2], strict=True)
        if span[1] - span[0] > max(MIN_IDLE_SECONDS, IDLE_SHARE * worked)
    ]
    edges = sorted({0.0, total, *(time for span in idle for time in span)})
    stretches = [(start, end, (start, end) in idle) for start, end in pairwise(edges)]
    widths = [SHOWN_IDLE_SHARE * worked if is_idle else end - start for start, end, is_idle in stretches]
    left, whole = 0.0, sum(widths)
    for (start, end, is_idle), width in zip(stretches, widths, strict=True):
        right = left + 100 * width / whole
        yield TimeSegment(start, end, round(left, 3), round(right, 3), is_idle)
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
