"""What a follower of a run hears: what happened, how far each task is, what runs now."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import BaseModel

from grammar.messages.activity_results import Progress, TranscriptEntry, Usage
from grammar.messages.asked_models import AskedModel
from grammar.messages.budgets import BudgetReport
from grammar.messages.reports import Approval, Parked, RunStatus, TaskStatus


@dataclass(frozen=True)
class PendingActivity:
    """An activity that is running or waits for its next attempt."""

    attempt: int
    """The number of the attempt that runs, or comes next, from 1."""
    progress: Progress | None
    """What it does, as its last heartbeat says; None: there was none."""
    last_failure: str
    """Why the attempt before failed, for people; empty: there was none."""
    kind: str = ""
    """The type of that failure."""
    attempts: int = 0
    """How many attempts it may take; 0: there is no limit."""
    since: datetime | None = None
    """When the attempt began; where it has not, when it was scheduled."""
    retry_at: datetime | None = None
    """When the next attempt begins; None: it does not wait for that."""
    queued: bool = False
    """Whether the attempt is due, and waits for a worker that is free."""


class RunEvent(BaseModel):
    """One thing that happened in a run."""

    number: int
    """Its number over the whole run, from 0."""
    task: str
    """The name of the task; empty where it concerns the run."""
    kind: Literal[
        "task_started",
        "leg_ended",
        "branch_ended",
        "task_ended",
        "approval_asked",
        "approval_given",
        "rate_limited",
        "fallback",
        "parked",
        "decided",
        "paused",
        "unpaused",
        "budget_raised",
    ]
    """What happened."""
    branch: int | None = None
    """The index of the branch, from 0; None: it concerns the task."""
    label: str = ""
    """The branch, as `item 3 of 50 on gpt-4.1`; empty where the task has only one."""
    total: int | None = None
    """How many branches the task has; with `parked`, how many of them failed. None: not told."""
    activity: str | None = None
    """The id of the branch's activity; None: it concerns the task."""
    status: str = ""
    """The task's or branch's status, the reason of a leg, what was decided; empty where `kind` says it all."""
    said: list[TranscriptEntry] = []
    """With `branch_ended` and `leg_ended`, what was said, the newest entries."""
    first: int = 0
    """The number of the first entry of `said`, from 0 over the branch's transcript."""
    note: str = ""
    """A failure's message, or another reason, for people; empty: nothing to add."""
    error: str = ""
    """The type of a failure; empty: there was none."""
    model: str = ""
    """With `fallback`, the name of the model that goes on; else empty."""
    until: datetime | None = None
    """With `rate_limited`, when the branch goes on; else None."""
    approval: Approval | None = None
    """With `approval_asked` and `approval_given`, the call; else None."""


class TaskProgress(BaseModel):
    """How far a task is, in figures."""

    status: TaskStatus = "waiting"
    """How it stands."""
    note: str = ""
    """Why it was skipped or had nothing to do, or what a person decided; empty: nothing to add."""
    total: int = 0
    """How many branches it has; 0 also until that is known."""
    done: int = 0
    """How many branches gave their result."""
    failed: int = 0
    """How many branches failed."""
    started: datetime | None = None
    """When it started; None: it has not."""
    ended: datetime | None = None
    """When it ended; None: it has not."""
    usage_by_model: list[AskedModel] = []
    """What the branches that have ended used, for each model, before it is put on prices."""
    budget: BudgetReport | None = None
    """What it spent, of its budget if it has one; None: nothing in the run has a budget."""

    @property
    def usage(self) -> Usage:
        """Return what the branches that have ended cost together."""
        return sum((asked.usage for asked in self.usage_by_model), Usage())


class RateLimitWait(BaseModel):
    """A branch that waits for the model's endpoint."""

    activity: str
    """The id of the branch's last activity."""
    until: datetime
    """When the branch goes on."""
    note: str = ""
    """Why it waits, as the endpoint said."""


class RunEvents(BaseModel):
    """What happened from some number on, and what the run waits for: the `journal` query."""

    entries: list[RunEvent] = []
    """The events, as far as they are kept: the newest few hundred."""
    tasks: list[TaskProgress] = []
    """How far each task is; empty: no worker answered."""
    approvals: list[Approval] = []
    """The calls that wait for a person."""
    parked: Parked | None = None
    """What the run waits for a decision of; None: it is not parked."""
    rate_limits: list[RateLimitWait] = []
    """The branches that wait for the endpoint."""
    next: int = 0
    """The number to ask for next."""
    budget: BudgetReport | None = None
    """What the run spent, of its budget if it has one; None: nothing in the run has a budget."""


@dataclass
class RunChanges:
    """What is new of a run since its follower last heard."""

    entries: list[RunEvent] = field(default_factory=list)
    """What happened."""
    tasks: list[TaskProgress] = field(default_factory=list)
    """How far each task is; empty: no worker answered."""
    approvals: list[Approval] = field(default_factory=list)
    """The calls that wait for a person."""
    parked: Parked | None = None
    """What the run waits for a decision of; None: it is not parked."""
    live: dict[str, PendingActivity] = field(default_factory=dict)
    """The activities that run or wait for their next attempt, by id."""
    stuck: bool = False
    """Whether the workflow's code fails, so that no task goes on until it is mended."""
    started: datetime | None = None
    """When the run started."""
    status: RunStatus = "running"
    """How the run stands."""
    rate_limits: list[RateLimitWait] = field(default_factory=list)
    """The branches that wait for the endpoint; empty also where no worker answered."""
    budget: BudgetReport | None = None
    """What the run spent, of its budget if it has one; None also where no worker answered."""
