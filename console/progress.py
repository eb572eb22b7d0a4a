"""What a person is to see of a run while it goes on: what is known, put together. No screen here."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, get_args

from console.printable import first_line, printable, printable_name
from console.throughput import Throughput, seconds_between, with_waits
from grammar.budgets import told
from grammar.documents.models import Task
from grammar.messages.activity_results import WAITING, Progress, Usage
from grammar.messages.asked_models import AskedModel
from grammar.messages.budgets import BudgetReport
from grammar.messages.events import PendingActivity, RateLimitWait, RunChanges, RunEvent, TaskProgress
from grammar.messages.history import BranchPosition, branch_label, position_of
from grammar.messages.reports import Approval, RunStatus
from grammar.messages.run_bundle import Bundle
from grammar.messages.run_status import spelled
from grammar.model_access.prices import cost_of, cost_told

# While a run stands so, no branch ends, or no new one starts.
RESTING = ("paused", "parked", "interrupted")
# In the order in which they are shown: what needs a person first.
BranchState = Literal["waiting_approval", "retrying", "rate_limited", "running", "queued"]


@dataclass(frozen=True)
class BranchRow:
    """A branch in flight.

    `label`: empty where the task has but one. `seconds`: since when it runs or waits for a person or a worker; until it
    goes on, where it is to be retried or rate limited. `turn` of `turns`: 0 for a script. `text`: what it does, or why
    it does not; `tail`: the end of what it says.
    """

    label: str
    state: BranchState
    seconds: float | None = None
    turn: int = 0
    turns: int = 0
    tokens: int = 0
    text: str = ""
    tail: str = ""


@dataclass(frozen=True)
class TaskView:
    """A task, as it is shown.

    `seconds`: how long it took, or has run; None before it starts. `total`, `done`, `failed`: branches.
    `rate`: branches per second; `seconds_left`: until all have ended; both None where it is too early to say.
    `rows`: the branches in flight. `budget`: how much of it is spent; empty where there is none.
    """

    number: int
    name: str
    status: str
    seconds: float | None = None
    total: int = 0
    done: int = 0
    failed: int = 0
    tokens: int = 0
    note: str = ""
    rate: float | None = None
    seconds_left: float | None = None
    rows: Sequence[BranchRow] = ()
    budget: str = ""


@dataclass(frozen=True)
class RunView:
    """A run, as it is shown.

    `url`: it in the Web UI. `usage`, `cost`: of what has ended, and of what is in flight as far as it has told; `cost`
    is empty without prices. `state`: `starting` or how it stands; empty where it is just running. `approvals`: how many
    calls wait for a person. `budget`: how much of it is spent.
    """

    run_id: str
    url: str | None
    tasks: Sequence[TaskView]
    seconds: float = 0
    usage: Usage = field(default_factory=Usage)
    cost: str = ""
    state: str = ""
    approvals: int = 0
    budget: str = ""


@dataclass
class RunProgress:
    """Keep what a follower hears of a run, and put it together as a view. `url`: the run in the Web UI."""

    bundle: Bundle
    run_id: str
    url: str | None = None
    _tasks: list[TaskProgress] = field(default_factory=list)
    _activities: dict[BranchPosition, PendingActivity] = field(default_factory=dict)
    _rate_limits: dict[BranchPosition, RateLimitWait] = field(default_factory=dict)
    _approvals: dict[BranchPosition, Approval] = field(default_factory=dict)
    _throughputs: dict[int, Throughput] = field(default_factory=dict)
    _started: datetime | None = None
    _status: RunStatus = "running"
    _budget: BudgetReport | None = None

    def update(self, now: datetime, changes: RunChanges) -> None:
        """Take in what is new. Where `changes` has no tasks, no worker answered: what was known of them is kept."""
        self._tasks = changes.tasks or self._tasks
        self._activities = _by_position(changes.live)
        if changes.tasks:
            self._approvals = _calls_by_position(changes.approvals)
        self._started = self._started or changes.started
        self._status = changes.status
        self._budget = changes.budget or self._budget
        for event in changes.entries:
            self._add_event(event)
        for wait in changes.rate_limits:  # who joins late has not heard of them
            self._add_rate_limit(wait)
        for position in self._activities:
            self._rate_limits.pop(position, None)
        self._record_throughput(now)

    def view(self, now: datetime) -> RunView:
        """Return what there is to see at `now`."""
        tasks = [self._task_view(index, task, now) for index, task in enumerate(self.bundle.tasks)]
        used = list(self._used())
        return RunView(
            run_id=printable_name(self.run_id),
            url=self.url,
            tasks=tasks,
            seconds=seconds_between(self._started, now) or 0,
            usage=sum((entry.usage for entry in used), Usage()),
            cost=cost_told(cost_of(self.bundle.config, used)) if self.bundle.config.prices else "",
            state=self._state(),
            approvals=len(self._approvals),
            budget=told.spent_of(self._budget),
        )

    def _state(self) -> str:
        if self._status == "running":
            return "" if self._tasks else "starting"
        return spelled(self._status)

    def _add_event(self, event: RunEvent) -> None:
        if event.kind == "rate_limited" and event.until:
            self._add_rate_limit(RateLimitWait(activity=event.activity or "", until=event.until, note=event.note))
        elif event.kind == "branch_ended" and (position := position_of(event.activity or "")):
            self._rate_limits.pop(position, None)

    def _add_rate_limit(self, wait: RateLimitWait) -> None:
        if position := position_of(wait.activity):
            self._rate_limits[position] = wait

    def _record_throughput(self, now: datetime) -> None:
        """Take a sample of each task that runs. What ended before a rest says nothing of what comes after it."""
        if self._status in RESTING:
            self._throughputs = {index: Throughput() for index in range(len(self._tasks))}
            return
        for index, progress in enumerate(self._tasks):
            if progress.status == "running" and progress.started and progress.total > 1:
                if index not in self._throughputs:
                    self._throughputs[index] = Throughput()
                    self._throughputs[index].record(progress.started, 0)
                self._throughputs[index].record(now, progress.done + progress.failed)

    def _progress_of(self, index: int) -> TaskProgress:
        return self._tasks[index] if index < len(self._tasks) else TaskProgress()

    def _task_view(self, index: int, task: Task, now: datetime) -> TaskView:
        progress = self._progress_of(index)
        is_running = progress.status == "running"
        rows = self._branch_rows(index, task, now) if is_running else []
        throughput = self._throughputs.get(index) if is_running else None
        return TaskView(
            number=index + 1,
            name=first_line(task.name or f"task-{index + 1}"),
            status=progress.status,
            seconds=seconds_between(progress.started, progress.ended or now),
            total=progress.total,
            done=progress.done,
            failed=progress.failed,
            tokens=progress.usage.tokens + sum(row.tokens for row in rows),
            note=first_line(progress.note),
            rate=throughput.rate(now) if throughput else None,
            seconds_left=_seconds_left(throughput.seconds_left(now, progress.total), rows) if throughput else None,
            rows=rows,
            budget=told.spent_of(progress.budget),
        )

    def _branch_rows(self, index: int, task: Task, now: datetime) -> list[BranchRow]:
        """What is in flight: what needs a person first, then what is held up, then in order."""
        found: dict[BranchPosition, BranchRow] = {}
        for position, limit in self._rate_limits.items():
            seconds = seconds_between(now, limit.until)
            found[position] = BranchRow(
                branch_label(position, task), "rate_limited", seconds, text=first_line(limit.note)
            )
        for position, activity in self._activities.items():
            found[position] = _activity_row(branch_label(position, task), task, activity, now)
        for position, call in self._approvals.items():
            found[position] = _approval_row(branch_label(position, task), call, now)
        states = get_args(BranchState)
        mine = [(states.index(row.state), position) for position, row in found.items() if position.task == index]
        return [found[position] for _, position in sorted(mine)]

    def _used(self) -> Iterator[AskedModel]:
        """What has ended used, by task and model, and what each branch in flight did so far."""
        for progress in self._tasks:
            yield from progress.usage_by_model
        for position, activity in self._activities.items():
            if activity.progress and activity.progress.usage.requests and position.task < len(self.bundle.tasks):
                task = self.bundle.tasks[position.task]
                named = task.choices[position.choice]
                logical = activity.progress.named or (named.model if named else task.model) or ""
                yield AskedModel(named=logical, model=activity.progress.model, usage=activity.progress.usage)


def _seconds_left(working: float | None, rows: Sequence[BranchRow]) -> float | None:
    if any(row.state == "waiting_approval" for row in rows):  # nobody can say
        return None
    held_up = [row.seconds or 0 for row in rows if row.state in ("retrying", "rate_limited")]
    return with_waits(working, held_up, len(rows) - len(held_up))


def _by_position(activities: Mapping[str, PendingActivity]) -> dict[BranchPosition, PendingActivity]:
    """Without what prepares and gathers."""
    found = ((position_of(activity_id), activity) for activity_id, activity in activities.items())
    return {position: activity for position, activity in found if position}


def _calls_by_position(approvals: Sequence[Approval]) -> dict[BranchPosition, Approval]:
    """A task as a whole has the item before the first one."""
    calls = ((position_of(call.id.partition("-call-")[0]), call) for call in approvals)
    return {
        position._replace(item=-1) if call.kind == "fan_out" else position: call for position, call in calls if position
    }


def _activity_row(label: str, task: Task, activity: PendingActivity, now: datetime) -> BranchRow:
    if activity.retry_at and activity.retry_at > now:
        text = f"{_attempt(activity)} after {first_line(activity.last_failure)}"
        return BranchRow(label, "retrying", seconds_between(now, activity.retry_at), text=text)
    seconds = seconds_between(activity.since, now)
    if activity.queued:
        return BranchRow(label, "queued", seconds, text="" if activity.attempt == 1 else _attempt(activity))
    progress = activity.progress or Progress(doing="starting")
    return BranchRow(
        label,
        "rate_limited" if progress.doing == WAITING else "running",
        None if progress.doing == WAITING else seconds,
        turn=progress.turn,
        turns=task.turns if task.run is None else 0,
        tokens=progress.tokens,
        text=_current_action(progress),
        tail=printable(progress.tail),
    )


def _approval_row(label: str, call: Approval, now: datetime) -> BranchRow:
    seconds = seconds_between(call.since, now)
    if call.kind == "fan_out":
        return BranchRow("", "waiting_approval", seconds, text=first_line(call.arguments))
    return BranchRow(label, "waiting_approval", seconds, text=first_line(f"{call.tool}({call.arguments})"))


def _attempt(activity: PendingActivity) -> str:
    return f"attempt {activity.attempt}" + (f" of {activity.attempts}" if activity.attempts else "")


def _current_action(progress: Progress) -> str:
    """The call that is under way, or what it does; empty where it says something."""
    if progress.doing.startswith("tool ") and progress.said and progress.said[-1].kind == "tool_call":
        return f"→ {first_line(progress.said[-1].text)}"
    return "" if progress.tail.strip() else first_line(progress.doing)
