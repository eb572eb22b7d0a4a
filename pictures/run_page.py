"""A run as a page: how it stands, when everything ran, what it cost, what failed, what was said."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from itertools import chain

from grammar.documents.durations import spoken
from grammar.documents.models import ModelConfig
from grammar.loading.graph import graph
from grammar.messages.activity_results import TranscriptEntry
from grammar.messages.history import BranchHistory, Deployment, RunHistory
from grammar.messages.reports import TaskReport
from pictures import costs, excerpt, timeline, words
from pictures.branch import BranchEntry, Group, groups, line, transcript
from pictures.costs import Bill
from pictures.drawing import drawing
from pictures.page import page

MOST_FAILURES = 100
MOST_OF_OUTPUTS = 500_000
MOST_OF_AN_OUTPUT = 20_000
BARS_HEIGHT = 150
ROW_HEIGHT = 36


def html(story: RunHistory, prices: ModelConfig) -> str:
    """The report. `prices`: what models cost."""
    return page("run.html", run=Run(story, prices), flow=drawing(graph(story.bundle)))


@dataclass(frozen=True)
class Rect:
    """A bar of the timeline, in percent and pixels."""

    left: float
    width: float
    top: float
    height: float
    tone: str
    target: str
    told: str


@dataclass(frozen=True)
class TimelineRow:
    """One task of the timeline."""

    name: str
    target: str
    height: float
    rects: list[Rect]


@dataclass(frozen=True)
class TaskPart:
    """A task as it is shown."""

    number: int
    report: TaskReport
    took: str
    bill: Bill
    groups: list[Group]

    @property
    def target(self) -> str:
        """Its place in the page."""
        return f"task-{self.number}"

    @property
    def branches(self) -> list[BranchEntry]:
        """All of them."""
        return [one for group in self.groups for one in group.branches]


class Run:
    """What the template shows."""

    def __init__(self, story: RunHistory, prices: ModelConfig) -> None:
        self.story = story
        self.report = story.manifest.report
        self._prices = prices
        self._stories = story.branches()
        everything = list(chain.from_iterable(self._stories))
        self._transcripts = [transcript(one) for one in everything]
        self._entries = excerpt.most_entries(len(everything))
        kept = [excerpt.entries(one, self._entries) for one in self._transcripts]
        self._longest = excerpt.longest(said.text for first, last, _ in kept for said in (*first, *last))
        self.models = costs.by_model(prices, everything)

    @cached_property
    def tasks(self) -> list[TaskPart]:
        """Each task with its branches."""
        kept = iter(self._transcripts)
        made = []
        for number, (report, stories) in enumerate(zip(self.report.tasks, self._stories, strict=True), 1):
            branches = [self._branch(one, next(kept)) for one in stories]
            bill = costs.total(one.bill for one in branches)
            took = spoken((report.ended or self.story.until) - report.started) if report.started else ""
            made.append(TaskPart(number, report, took, bill, groups(branches)))
        return made

    @property
    def status(self) -> str:
        """How the run stands."""
        return self.story.status

    @cached_property
    def bill(self) -> Bill:
        """What the run used."""
        return costs.total(one.bill for one in self.tasks)

    @property
    def facts(self) -> Iterator[tuple[str, str, str]]:
        """The head of the report: a name, a value, and what is to be said of it."""
        used = self.bill.usage
        yield "started", f"{self.story.started:%H:%M:%S}", f"{self.story.started:%Y-%m-%d}, UTC"
        yield "took" if self.story.ended else "open for", spoken(self.story.until - self.story.started), ""
        done = sum(one.report.status == "done" for one in self.tasks)
        yield "tasks", f"{done}/{len(self.tasks)}", "done"
        yield "branches", f"{sum(len(one.branches) for one in self.tasks):,}", self._failed()
        yield "model requests", f"{used.requests:,}", ""
        yield "tokens", f"{used.input_tokens + used.output_tokens:,}", f"{used.output_tokens:,} out"
        yield "cost", self.bill.dollars or "–", "no prices" if self.bill.unpriced and not self.bill.amount else ""

    def _failed(self) -> str:
        branches = [one for task in self.tasks for one in task.branches]
        failed = sum(one.story.report.status == "failed" for one in branches)
        mended = sum(one.story.report.status == "done" and bool(one.overcome) for one in branches)
        told = [f"{failed:,} failed"] if failed else []
        return ", ".join([*told, f"{mended:,} failed before"] if mended else told)

    @property
    def statuses(self) -> Sequence[tuple[str, int]]:
        """The branches' statuses, with how many have each."""
        found = Counter(one.story.report.status for task in self.tasks for one in task.branches)
        return found.most_common()

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """(where in the page, what, why) of what failed, the tasks themselves first."""
        found = [
            (task.target, task.report.name, f"{one.type}: {words.without_keys(one.message)}")
            for task in self.tasks
            for one in task.report.failures
            if one.branch is None
        ]
        found += [
            (one.target, f"{task.report.name}, {one.label}" if one.story.report.label else task.report.name, one.error)
            for task in self.tasks
            for one in task.branches
            if one.story.report.status == "failed"
        ]
        return found

    most_failures = MOST_FAILURES

    @property
    def warnings(self) -> list[tuple[str, str]]:
        """(task, text) of each warning."""
        return [(task.report.name, words.without_keys(text)) for task in self.tasks for text in task.report.warnings]

    @property
    def outputs(self) -> list[tuple[str, str]]:
        """The values under `outputs`, as JSON."""
        most = min(MOST_OF_AN_OUTPUT, MOST_OF_OUTPUTS // max(1, len(self.report.outputs)))
        return [
            (name, words.cut(words.without_keys(words.json(value, 2)), most))
            for name, value in self.report.outputs.items()
        ]

    @cached_property
    def scale(self) -> timeline.Scale:
        """The timeline's axis."""
        spans = [_span(one, self.story.until) for one in self.story.history.deployments]
        return timeline.Scale(self.story.started, self.story.until, spans)

    @property
    def rows(self) -> Iterator[TimelineRow]:
        """The timeline: a row for each task, a bar for each leg of each branch."""
        for task in self.tasks:
            legs = [(one, leg) for one in task.branches for leg in one.story.deployments]
            bars, lanes = timeline.bars(self.scale, [_span(leg, self.story.until) for _, leg in legs])
            step = min(14.0, max(2.0, BARS_HEIGHT / max(1, lanes)))
            height = max(ROW_HEIGHT, 10 + lanes * step)
            margin = (height - lanes * step) / 2
            rects = [
                Rect(bar.left, bar.width, round(margin + bar.lane * step, 2), round(step * 0.84, 2),
                     _tone(one, leg), one.target, f"{one.label}: {spoken(_took(leg, self.story.until))}")
                for bar, (one, leg) in zip(bars, legs, strict=True)
            ]  # fmt: skip
            yield TimelineRow(task.report.name, task.target, round(height, 2), rects)

    def _branch(self, story: BranchHistory, said: list[TranscriptEntry]) -> BranchEntry:
        legs = story.deployments
        took = (legs[-1].ended or self.story.until) - legs[0].begun if legs else None
        opening, ending, left_out = excerpt.entries(said, self._entries)
        cut = [[line(excerpt.cut(one, self._longest), story) for one in part] for part in (opening, ending)]
        return BranchEntry(story, costs.bill(self._prices, story), took, cut[0], left_out, cut[1])


def _tone(branch: BranchEntry, leg: Deployment) -> str:
    """A leg that was left off went well; only the last one is as the branch is."""
    if leg is branch.story.deployments[-1]:
        return branch.story.report.status
    return "failed" if leg.failure else "done"


def _span(leg: Deployment, until: datetime) -> tuple[datetime, datetime]:
    return leg.begun, max(leg.begun, leg.ended or until)


def _took(leg: Deployment, until: datetime) -> timedelta:
    begin, end = _span(leg, until)
    return end - begin
