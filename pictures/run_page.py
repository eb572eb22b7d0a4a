"""A run as a page: how it stands, when everything ran, what it cost, what failed, what was said."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property
from itertools import chain

from grammar.budgets import told
from grammar.documents.durations import spoken
from grammar.documents.models import ModelConfig
from grammar.loading.graph import graph
from grammar.messages.activity_results import TranscriptEntry
from grammar.messages.history import BranchHistory, RunHistory
from pictures import report_timeline, transcript_limits
from pictures.costs import CostSummary, branch_cost, costs_by_model, task_cost, task_usage, total_cost
from pictures.flow_layout import lay_out
from pictures.markdown import Typesetter
from pictures.output_section import OutputSection, output_section
from pictures.page import render_page
from pictures.report_sections import (
    BranchSection,
    TaskSection,
    TranscriptLine,
    full_transcript,
    grouped,
    transcript_line,
)
from pictures.report_timeline import TimelineRow, time_scale, timeline_rows
from pictures.text_format import readable_references
from pictures.timeline import TimeScale

MAX_FAILURES = 100
# In characters: all outputs together, and each.
MAX_OUTPUTS = 500_000
MAX_OUTPUT = 20_000


def html(history: RunHistory, prices: ModelConfig) -> str:
    """Return the report of a run. `prices`: a model config that says what models cost."""
    return render_page("run.html", run=RunPage(history, prices), layout=lay_out(graph(history.bundle)))


class RunPage:
    """What the template `run.html` shows of a run."""

    max_failures = MAX_FAILURES

    def __init__(self, history: RunHistory, prices: ModelConfig) -> None:
        self.history = history
        self.report = history.manifest.report
        self._prices = prices
        self._branches = history.branches()
        branches = list(chain.from_iterable(self._branches))
        self._transcripts = [full_transcript(branch) for branch in branches]
        self._entry_limit = transcript_limits.entry_limit(len(branches))
        self._text_limit = transcript_limits.text_limit(self._kept_texts())
        self._typesetter = Typesetter()
        used = chain.from_iterable(map(task_usage, self.report.tasks, self._branches))
        self.models = costs_by_model(prices, used, branches)

    @cached_property
    def tasks(self) -> list[TaskSection]:
        """Return each task with its branches."""
        transcripts = iter(self._transcripts)
        sections = []
        for number, (report, histories) in enumerate(zip(self.report.tasks, self._branches, strict=True), 1):
            branches = [self._branch(history, next(transcripts)) for history in histories]
            cost = task_cost(self._prices, report, histories)
            took = spoken((report.ended or self.history.until) - report.started) if report.started else ""
            sections.append(TaskSection(number, report, took, cost, grouped(branches)))
        return sections

    @property
    def status(self) -> str:
        """Return the status of the run."""
        return self.history.status

    @cached_property
    def cost(self) -> CostSummary:
        """Return what the run used."""
        return total_cost(task.cost for task in self.tasks)

    @property
    def facts(self) -> Iterator[tuple[str, str, str]]:
        """Yield the head of the report: a name, a value, and what is to be said of it."""
        used = self.cost.usage
        yield "started", f"{self.history.started:%H:%M:%S}", f"{self.history.started:%Y-%m-%d}, UTC"
        yield "took" if self.history.ended else "open for", spoken(self.history.until - self.history.started), ""
        done = sum(task.report.status == "done" for task in self.tasks)
        yield "tasks", f"{done}/{len(self.tasks)}", "done"
        yield "branches", f"{len(self._all_branches):,}", self._failed()
        yield "model requests", f"{used.requests:,}", ""
        yield "tokens in", f"{used.input_tokens:,}", f"{used.cached_tokens:,} cached" if used.cached_tokens else ""
        reasoning = f"{used.reasoning_tokens:,} reasoning" if used.reasoning_tokens else ""
        yield "tokens out", f"{used.output_tokens:,}", reasoning
        for name, budget in (("budget", self.report.budget), *((task.name, task.budget) for task in self.report.tasks)):
            if spent := told.spent_of(budget):
                yield name if name == "budget" else f"budget of {name}", spent, ""
        cost = self.cost.cost
        yield "cost", self.cost.dollars or "–", "no prices" if cost.unpriced and not cost.usd else ""

    @property
    def statuses(self) -> Sequence[tuple[str, int]]:
        """Return each status of a branch, and how many branches have it."""
        return Counter(branch.status for branch in self._all_branches).most_common()

    @property
    def failures(self) -> list[tuple[str, str, str]]:
        """Return (anchor, what, why) of what failed, the tasks themselves first."""
        tasks = [
            (task.anchor, task.report.name, f"{failure.type}: {readable_references(failure.message)}")
            for task in self.tasks
            for failure in task.report.failures
            if failure.branch is None
        ]
        branches = [
            (branch.anchor, _full_label(task, branch), branch.error)
            for task in self.tasks
            for branch in task.branches
            if branch.status == "failed"
        ]
        return [*tasks, *branches]

    @property
    def warnings(self) -> list[tuple[str, str]]:
        """Return (task, text) of each warning."""
        return [(task.report.name, readable_references(text)) for task in self.tasks for text in task.report.warnings]

    @property
    def outputs(self) -> list[OutputSection]:
        """Return the values under `outputs`, cut so that together they fit."""
        limit = min(MAX_OUTPUT, MAX_OUTPUTS // max(1, len(self.report.outputs)))
        said = {task.id for task in self.history.bundle.tasks if task.run is None}
        return [
            output_section(name, value, limit, self._typesetter if name in said else None)
            for name, value in self.report.outputs.items()
        ]

    @cached_property
    def scale(self) -> TimeScale:
        """Return the timeline's axis."""
        return time_scale(self.history.started, self.history.until, self.history.history.deployments)

    @cached_property
    def rows(self) -> list[TimelineRow]:
        """Return the rows of the timeline, one for each task."""
        return list(timeline_rows(self.scale, self.tasks, self.history.until))

    @property
    def legend(self) -> list[tuple[str, str]]:
        """Return (status, what it means) of the timeline's colours."""
        return report_timeline.legend(self.rows)

    @property
    def _all_branches(self) -> list[BranchSection]:
        return [branch for task in self.tasks for branch in task.branches]

    def _failed(self) -> str:
        failed = sum(branch.status == "failed" for branch in self._all_branches)
        mended = sum(branch.status == "done" and bool(branch.earlier_errors) for branch in self._all_branches)
        counts = [f"{failed:,} failed" if failed else "", f"{mended:,} failed before" if mended else ""]
        return ", ".join(filter(None, counts))

    def _kept_texts(self) -> Iterator[str]:
        for transcript in self._transcripts:
            opening, ending, _ = transcript_limits.opening_and_ending(transcript, self._entry_limit)
            yield from (entry.text for entry in (*opening, *ending))

    def _branch(self, history: BranchHistory, transcript: list[TranscriptEntry]) -> BranchSection:
        legs = history.deployments
        took = (legs[-1].ended or self.history.until) - legs[0].begun if legs else None
        opening, ending, left_out = transcript_limits.opening_and_ending(transcript, self._entry_limit)
        cost = branch_cost(self._prices, history)
        return BranchSection(history, cost, took, self._lines(opening, history), left_out, self._lines(ending, history))

    def _lines(self, entries: Iterable[TranscriptEntry], history: BranchHistory) -> list[TranscriptLine]:
        shown = (transcript_limits.cut_entry(entry, self._text_limit) for entry in entries)
        return [transcript_line(entry, history, self._typesetter) for entry in shown]


def _full_label(task: TaskSection, branch: BranchSection) -> str:
    return f"{task.report.name}, {branch.label}" if branch.history.report.label else task.report.name
