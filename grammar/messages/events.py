"""What a follower of a run hears: what happened, how far each task is, what runs now."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field

from grammar.messages.contracts import Progress, TranscriptEntry, Usage
from grammar.messages.reports import Approval, Parked, TaskStatus


@dataclass(frozen=True)
class PendingActivity:
    """An activity that is running or waits for its next attempt, number `attempt` of `attempts` (0: no limit).

    `since`: when the attempt began. `retry_at`: when it will begin. `queued`: it has not, for want of a worker that is
    free. `kind`: the type of the failure of the attempt before.
    """

    attempt: int
    progress: Progress | None
    last_failure: str
    kind: str = ""
    attempts: int = 0
    since: datetime | None = None
    retry_at: datetime | None = None
    queued: bool = False


class RunEvent(BaseModel):
    """One thing that happened, for a follower of the run. `number` counts from 0 over the run.

    `error`: the type of a failure. `until`: when a branch goes on that waits for the endpoint.
    """

    number: int
    task: str
    kind: Literal[
        "task_started",
        "leg_ended",
        "branch_ended",
        "task_ended",
        "approval_asked",
        "approval_given",
        "rate_limited",
        "parked",
        "decided",
        "paused",
        "unpaused",
    ]
    branch: int | None = None
    label: str = ""
    total: int | None = None
    activity: str | None = None
    status: str = ""
    said: list[TranscriptEntry] = []
    first: int = 0
    note: str = ""
    error: str = ""
    until: datetime | None = None
    approval: Approval | None = None


class TaskProgress(BaseModel):
    """How far a task is, in figures. `used`: by each of its models; `model`: the one that answered last."""

    status: TaskStatus = "waiting"
    note: str = ""
    total: int = 0
    done: int = 0
    failed: int = 0
    started: datetime | None = None
    ended: datetime | None = None
    used: list[Usage] = []
    model: str = ""


class RunEvents(BaseModel):
    """Entries from a number on, and what the run waits for: the `journal` query. The newest entries are kept.

    `tasks`: how far each is.
    """

    entries: list[RunEvent] = []
    tasks: list[TaskProgress] = []
    approvals: list[Approval] = []
    parked: Parked | None = None
    next: int = Field(default=0, description="the number to ask for next")


@dataclass
class RunChanges:
    """What is new of a run, as its follower hears. `live`: by activity id. `started`: when the run did.

    `tasks`: how far each is; empty where no worker answers. `stuck`: the workflow's code fails, and no task goes on.
    """

    entries: list[RunEvent] = field(default_factory=list)
    tasks: list[TaskProgress] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    parked: Parked | None = None
    live: dict[str, PendingActivity] = field(default_factory=dict)
    stuck: bool = False
    started: datetime | None = None
