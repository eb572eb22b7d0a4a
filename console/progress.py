"""What a person is to see of a run while it goes on: what is known, put together. No screen here."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from console.printable import first_line, printable
from console.throughput import Throughput
from grammar.documents.models import Task
from grammar.messages import model_choice
from grammar.messages.activity_results import Progress, Usage
from grammar.messages.events import PendingActivity, RunChanges, RunEvent, TaskProgress
from grammar.messages.history import BranchPosition, position_of
from grammar.messages.prices import cost, dollars
from grammar.messages.reports import Approval
from grammar.messages.run_bundle import Bundle

Doing = Literal["asks", "retries", "rests", "works", "queued"]


@dataclass(frozen=True)
class BranchRow:
    """A branch in flight. `seconds`: since when it works, or until it goes on.

    `text`: what it does, or why it does not; `tail`: the end of what it says.
    """

    label: str
    doing: Doing
    seconds: float | None = None
    turn: int = 0
    turns: int = 0
    tokens: int = 0
    text: str = ""
    tail: str = ""


@dataclass(frozen=True)
class TaskView:
    """A task. `rate`: branches a second; `left`: seconds until all have ended. `rows`: what is in flight."""

    number: int
    name: str
    status: str
    seconds: float | None = None
    total: int = 0
    done: int = 0
    failed: int = 0
    tokens: int = 0
    note: str = ""
    fans_out: bool = False
    rate: float | None = None
    left: float | None = None
    rows: Sequence[BranchRow] = ()


@dataclass(frozen=True)
class RunView:
    """The whole of it. `state`: where it is not just running."""

    run_id: str
    url: str | None
    tasks: Sequence[TaskView]
    seconds: float = 0
    tokens: int = 0
    cost: str = ""
    state: str = ""
    asks: int = 0


@dataclass(frozen=True)
class _Rest:
    """A branch waits for the endpoint."""

    until: datetime
    note: str


@dataclass
class RunProgress:
    """Takes in what a follower hears, and says what there is to see."""

    bundle: Bundle
    run_id: str
    url: str | None = None
    _tallies: list[TaskProgress] = field(default_factory=list)
    _live: dict[BranchPosition, PendingActivity] = field(default_factory=dict)
    _rests: dict[BranchPosition, _Rest] = field(default_factory=dict)
    _approvals: dict[BranchPosition, Approval] = field(default_factory=dict)
    _paces: dict[int, Throughput] = field(default_factory=dict)
    _started: datetime | None = None
    _paused: bool = False

    def hear(self, now: datetime, update: RunChanges) -> None:
        """What is new."""
        self._tallies = update.tasks or self._tallies
        self._live = _by_place(update.live)
        asked = ((position_of(one.id.partition("-call-")[0]), one) for one in update.approvals)
        self._approvals = {where: one for where, one in asked if where}
        self._started = self._started or update.started
        for entry in update.entries:
            self._note(entry)
        for where in self._live:
            self._rests.pop(where, None)
        self._see_paces(now)

    def view(self, now: datetime) -> RunView:
        """What there is to see."""
        tasks = [self._task(index, task, now) for index, task in enumerate(self.bundle.tasks)]
        return RunView(
            run_id=self.run_id,
            url=self.url,
            tasks=tasks,
            seconds=_since(self._started, now) or 0,
            tokens=sum(task.tokens for task in tasks),
            cost=self._cost(),
            state="paused" if self._paused else "" if self._tallies else "starting",
            asks=len(self._approvals),
        )

    def _note(self, entry: RunEvent) -> None:
        if entry.kind in ("paused", "unpaused"):
            self._paused = entry.kind == "paused"
        where = position_of(entry.activity or "")
        if where is None:
            return
        if entry.kind == "rate_limited" and entry.until:
            self._rests[where] = _Rest(entry.until, entry.note)
        elif entry.kind == "branch_ended":
            self._rests.pop(where, None)

    def _see_paces(self, now: datetime) -> None:
        for index, tally in enumerate(self._tallies):
            if tally.status == "running" and tally.started and tally.total > 1:
                if index not in self._paces:
                    self._paces[index] = Throughput()
                    self._paces[index].see(tally.started, 0)
                self._paces[index].see(now, tally.done + tally.failed)

    def _tally(self, index: int) -> TaskProgress:
        return self._tallies[index] if index < len(self._tallies) else TaskProgress()

    def _task(self, index: int, task: Task, now: datetime) -> TaskView:
        tally = self._tally(index)
        rows = self._rows(index, task, tally, now) if tally.status == "running" else []
        pace = self._paces.get(index) if tally.status == "running" else None
        return TaskView(
            number=index + 1,
            name=first_line(task.name or f"task-{index + 1}"),
            status=tally.status,
            seconds=_since(tally.started, tally.ended or now),
            total=tally.total,
            done=tally.done,
            failed=tally.failed,
            tokens=sum(map(_tokens, tally.used)) + sum(row.tokens for row in rows),
            note=first_line(tally.note),
            fans_out=task.fans_out,
            rate=pace.rate(now) if pace else None,
            left=pace.left(now, tally.total) if pace else None,
            rows=rows,
        )

    def _rows(self, index: int, task: Task, tally: TaskProgress, now: datetime) -> list[BranchRow]:
        """What is in flight: what needs a person first, then what is in trouble, then in order."""
        found: dict[BranchPosition, BranchRow] = {}
        for where, rest in self._rests.items():
            found[where] = BranchRow(_label(where, task), "rests", _since(now, rest.until), text=first_line(rest.note))
        for where, live in self._live.items():
            found[where] = _row(_label(where, task), task, live, now)
        for where, asked in self._approvals.items():
            call = first_line(f"{asked.tool}({asked.arguments})")
            found[where] = BranchRow(_label(where, task), "asks", _since(asked.since, now), text=call)
        mine = [(where, row) for where, row in found.items() if where.task == index]
        order = ("asks", "retries", "rests", "works", "queued")
        return [row for _, row in sorted(mine, key=lambda one: (order.index(one[1].doing), one[0]))]

    def _cost(self) -> str:
        """An estimate, where any model has a price; `over`: some have none."""
        if not self.bundle.config.prices:
            return ""
        amounts = list(self._amounts())
        known = sum(amount for amount in amounts if amount is not None)
        return f"{'over ' * (None in amounts)}{dollars(known)}"

    def _amounts(self) -> Iterable[float | None]:
        for index, task in enumerate(self.bundle.tasks):
            tally = self._tally(index)
            for choice, used in enumerate(tally.used):
                yield self._amount(task, choice, tally.model, used)
        for where, live in self._live.items():
            if live.progress and where.task < len(self.bundle.tasks):
                task, model = self.bundle.tasks[where.task], self._tally(where.task).model
                yield self._amount(task, where.choice, model, live.progress.usage)

    def _amount(self, task: Task, choice: int, answered: str, used: Usage) -> float | None:
        named = task.choices[choice]
        logical = named.model if named else task.model
        provider = model_choice.choose(task, self.bundle.config, choice).name or answered
        return cost(self.bundle.config, logical, provider, used)


def activity_label(activity_id: str) -> str:
    """`item 3, model 2` from an activity's id; nothing for a task that does not fan out."""
    found = re.findall(r"-(item|model)-(\d+)", activity_id)
    return ", ".join(f"{kind} {number}" for kind, number in found)


def _by_place(live: Mapping[str, PendingActivity]) -> dict[BranchPosition, PendingActivity]:
    """Without what prepares and gathers."""
    return {where: one for activity, one in live.items() if (where := position_of(activity))}


def _label(where: BranchPosition, task: Task) -> str:
    named = task.choices[where.choice] if where.choice < len(task.choices) else None
    parts = [f"item {where.item + 1}" if task.repeats else "", named.model if named and len(task.choices) > 1 else ""]
    return " ".join(filter(None, parts))


def _row(label: str, task: Task, live: PendingActivity, now: datetime) -> BranchRow:
    if live.retry_at and live.retry_at > now:
        text = f"{_attempt(live)} after {first_line(live.last_failure)}"
        return BranchRow(label, "retries", _since(now, live.retry_at), text=text)
    if live.queued:
        return BranchRow(label, "queued", _since(live.since, now), text="" if live.attempt == 1 else _attempt(live))
    progress = live.progress or Progress(doing="starting")
    return BranchRow(
        label,
        "works",
        _since(live.since, now),
        turn=progress.turn,
        turns=task.turns if task.run is None else 0,
        tokens=progress.tokens,
        text=_now(progress),
        tail=printable(progress.tail),
    )


def _attempt(live: PendingActivity) -> str:
    return f"attempt {live.attempt}" + (f" of {live.attempts}" if live.attempts else "")


def _now(progress: Progress) -> str:
    """The call that is under way, or what it does; nothing where it says something."""
    if progress.doing.startswith("tool ") and progress.said and progress.said[-1].kind == "tool_call":
        return f"→ {first_line(progress.said[-1].text)}"
    return "" if progress.tail.strip() else progress.doing


def _tokens(usage: Usage) -> int:
    return usage.input_tokens + usage.output_tokens


def _since(start: datetime | None, end: datetime | None) -> float | None:
    """Seconds; the clocks of two machines may differ."""
    return max(0.0, (end - start).total_seconds()) if start and end else None
