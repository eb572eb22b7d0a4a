"""The timeline of a report: a row for each task, a bar for each leg of each branch, and for each wait between legs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import NamedTuple

from grammar.documents.durations import spoken
from grammar.messages.activity_results import LegReason
from grammar.messages.history import Deployment
from grammar.messages.reports import TaskReport
from pictures.report_sections import BranchSection, TaskSection
from pictures.timeline import TimeScale, place_spans

# What a branch waits for after a leg that was left off.
_WAITS: dict[LegReason, str] = {
    "approval": "waiting", "unknown_outcome": "waiting", "rate_limited": "rate_limited",
    "unavailable": "rate_limited", "stopped": "interrupted",
}  # fmt: skip
_MEANINGS = {
    "waiting": "waits for a person's yes",
    "rate_limited": "waits for the endpoint",
    "parked": "parked: waits for a decision",
    "interrupted": "attempts that failed or were lost",
}
# In pixels. The more bars are side by side, the thinner they are, so that a row stays about as high.
BARS_HEIGHT = 150
MIN_ROW_HEIGHT = 36
MIN_LANE_HEIGHT = 2.0
MAX_LANE_HEIGHT = 14.0
BAR_SHARE = 0.84


@dataclass(frozen=True)
class TimelineBar:
    """One leg of a branch, or a wait.

    `left`, `width`: in percent. `top`, `height`: in pixels. `anchor`: the branch's, in the page. `status`: how the leg
    went, as a status of the branch; or what it waits for, as a status of the run.
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
    """Yield a row for each task. `until`: where the bars of what goes on end."""
    for task in tasks:
        decided = _decided(task.report, until)
        found = [(branch, list(_stretches(branch, decided, until))) for branch in task.branches]
        shown = [(branch, stretches) for branch, stretches in found if stretches]
        places, lanes = place_spans(scale, [(stretches[0].start, stretches[-1].end) for _, stretches in shown])
        lane_height = min(MAX_LANE_HEIGHT, max(MIN_LANE_HEIGHT, BARS_HEIGHT / max(1, lanes)))
        height = max(MIN_ROW_HEIGHT, 10 + lanes * lane_height)
        margin = (height - lanes * lane_height) / 2
        bars = [
            _bar(scale, branch, stretch, margin + place.lane * lane_height, lane_height * BAR_SHARE)
            for place, (branch, stretches) in zip(places, shown, strict=True)
            for stretch in stretches
        ]
        bars.sort(key=lambda bar: bar.status not in _MEANINGS)  # a short leg is not hidden by the wait after it
        yield TimelineRow(task.report.name, task.anchor, round(height, 2), bars)


def legend(rows: Iterable[TimelineRow]) -> list[tuple[str, str]]:
    """Return each status that a bar has, and what it means; nothing where all have one."""
    statuses = list(dict.fromkeys(bar.status for row in rows for bar in row.bars))
    meanings = [(status, _MEANINGS.get(status, status)) for status in statuses]
    return meanings if len(meanings) > 1 else []


class _Stretch(NamedTuple):
    """A time of a branch: of a leg, or of a wait."""

    start: datetime
    end: datetime
    status: str


def _decided(task: TaskReport, until: datetime) -> datetime | None:
    """Return when it was decided what becomes of the task without what failed; None where nobody is asked."""
    if task.status == "parked":
        return until
    return task.ended if task.note else None  # of a task that failed, the note is the decision


def _stretches(branch: BranchSection, decided: datetime | None, until: datetime) -> Iterator[_Stretch]:
    """Yield what the branch did and waited for, one after the other. `decided`: when, if it failed for good."""
    for leg, after in pairwise([*branch.history.deployments, None]):
        assert leg is not None
        start, end = _span(leg, until)
        if leg.started and leg.attempts > 1:
            yield _Stretch(start, max(start, leg.started), "interrupted")
            start = max(start, leg.started)
        yield _Stretch(start, max(start, end), _status(branch, leg))
        is_left_off = leg.output and leg.output.leg
        went_on = after.begun if after else until if is_left_off else decided
        wait = _wait(leg)
        if leg.ended and wait and went_on:
            yield _Stretch(leg.ended, max(leg.ended, went_on), wait)


def _wait(leg: Deployment) -> str:
    """Return what is waited for after the leg, if anything is; empty where it is the end."""
    if leg.output and leg.output.leg:
        return _WAITS[leg.output.leg.reason]
    return "parked" if leg.failure else ""


def _bar(scale: TimeScale, branch: BranchSection, stretch: _Stretch, top: float, height: float) -> TimelineBar:
    told = _MEANINGS.get(stretch.status, "")
    label = ", ".join(filter(None, [f"{branch.label}: {spoken(stretch.end - stretch.start)}", told]))
    left, width = scale.place(stretch.start, stretch.end)
    return TimelineBar(left, width, round(top, 2), round(height, 2), stretch.status, branch.anchor, label)


def _status(branch: BranchSection, leg: Deployment) -> str:
    """A leg that was left off went well; else only the last one is as the branch is."""
    if leg is branch.history.deployments[-1] and not (leg.output and leg.output.leg):
        return branch.status
    return "failed" if leg.failure else "done"


def _span(leg: Deployment, until: datetime) -> tuple[datetime, datetime]:
    return leg.begun, max(leg.begun, leg.ended or until)
