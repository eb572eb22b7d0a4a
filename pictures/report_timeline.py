"""The timeline of a report: a row for each task, a bar for each leg of each branch."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime

from grammar.documents.durations import spoken
from grammar.messages.history import Deployment
from pictures.report_sections import BranchSection, TaskSection
from pictures.timeline import PlacedSpan, TimeScale, place_spans

# In pixels. The more bars are side by side, the thinner they are, so that a row stays about as high.
BARS_HEIGHT = 150
MIN_ROW_HEIGHT = 36
MIN_LANE_HEIGHT = 2.0
MAX_LANE_HEIGHT = 14.0
BAR_SHARE = 0.84


@dataclass(frozen=True)
class TimelineBar:
    """One leg of a branch.

    `left`, `width`: in percent. `top`, `height`: in pixels. `anchor`: the branch's, in the page. `status`: how the leg
    went, as a status of the branch.
    """

    left: float
    width: float
    top: float
    height: float
    status: str
    anchor: str
    label: str


@dataclass(frozen=True)
class TimelineRow:
    """One task. `anchor`: the task's, in the page. `height`: in pixels."""

    name: str
    anchor: str
    height: float
    bars: list[TimelineBar]


def time_scale(started: datetime, until: datetime, deployments: Iterable[Deployment]) -> TimeScale:
    """Return the axis of a run that is shown `until` then."""
    return TimeScale(started, until, [_span(deployment, until) for deployment in deployments])


def timeline_rows(scale: TimeScale, tasks: Iterable[TaskSection], until: datetime) -> Iterator[TimelineRow]:
    """Yield a row for each task. `until`: where the bars of legs that run end."""
    for task in tasks:
        legs = [(branch, leg) for branch in task.branches for leg in branch.history.deployments]
        places, lanes = place_spans(scale, [_span(leg, until) for _, leg in legs])
        lane_height = min(MAX_LANE_HEIGHT, max(MIN_LANE_HEIGHT, BARS_HEIGHT / max(1, lanes)))
        height = max(MIN_ROW_HEIGHT, 10 + lanes * lane_height)
        margin = (height - lanes * lane_height) / 2
        bars = [
            _bar(branch, leg, place, margin + place.lane * lane_height, lane_height * BAR_SHARE, until)
            for place, (branch, leg) in zip(places, legs, strict=True)
        ]
        yield TimelineRow(task.report.name, task.anchor, round(height, 2), bars)


def _bar(
    branch: BranchSection, leg: Deployment, place: PlacedSpan, top: float, height: float, until: datetime
) -> TimelineBar:
    start, end = _span(leg, until)
    label = f"{branch.label}: {spoken(end - start)}"
    status = _status(branch, leg)
    return TimelineBar(place.left, place.width, round(top, 2), round(height, 2), status, branch.anchor, label)


def _status(branch: BranchSection, leg: Deployment) -> str:
    """A leg that was left off went well; only the last one is as the branch is."""
    if leg is branch.history.deployments[-1]:
        return branch.status
    return "failed" if leg.failure else "done"


def _span(leg: Deployment, until: datetime) -> tuple[datetime, datetime]:
    return leg.begun, max(leg.begun, leg.ended or until)
