"""What a run tells of itself, and what people decide: reports, the manifest, approvals, decisions."""

from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import BaseModel, JsonValue

from grammar.documents.values import Stored
from grammar.messages.contracts import Usage


class Grant(NamedTuple):
    """A tool whose every call in the run a person has approved."""

    toolbox: str
    tool: str


class Approval(BaseModel):
    """A tool call that waits for a person. `id`: what the answers are given.

    `approval`: `approve` or `reject` it. `unknown_outcome`: it was interrupted, `retry_call` or `skip_call` it.
    """

    id: str
    kind: Literal["approval", "unknown_outcome"] = "approval"
    task: str
    branch: str = ""
    tool: str
    toolbox: str
    arguments: str
    since: datetime

    @property
    def grant(self) -> Grant:
        """What would approve it, and each other call of its tool."""
        return Grant(self.toolbox, self.tool)


class Rejection(BaseModel):
    """The input of `reject` where the agent is to be told why."""

    id: str
    reason: str = ""


BranchStatus = Literal["running", "waiting", "rate_limited", "done", "failed", "cancelled"]
TaskStatus = Literal["waiting", "running", "parked", "done", "failed", "skipped", "cancelled"]
RunStatus = Literal["running", "parked", "completed", "completed_with_failures", "failed", "cancelled"]


class Failure(BaseModel):
    """Why a branch, a task or a run failed. `branch` None: the task as a whole."""

    task: str
    branch: int | None = None
    type: str
    message: str


Action = Literal["retry", "skip", "set_output", "abort"]


class Decision(BaseModel):
    """What a person decides of a parked task (specification section 9). `task` None: whichever is parked."""

    action: Action
    task: str | None = None
    value: JsonValue = None


class Parked(BaseModel):
    """A run that waits for a decision. `task`: the one that failed; `failed`: how many of its branches did."""

    task: str
    failure: Failure
    failed: int = 0
    since: datetime


class TaskReport(BaseModel):
    """How one task went."""

    name: str
    id: str | None = None
    status: TaskStatus = "waiting"
    required: bool = False
    note: str = ""
    total: int = 0
    done: int = 0
    failed: int = 0
    started: datetime | None = None
    ended: datetime | None = None
    usage: Usage = Usage()
    failures: list[Failure] = []
    warnings: list[str] = []


class RunReport(BaseModel):
    """How the run went, as a whole: the workflow's result, its `status` query and `--json`.

    `stored`: outputs that are not in `outputs`, but in payload storage.
    """

    name: str
    bundle: str
    status: RunStatus = "running"
    tasks: list[TaskReport] = []
    usage: Usage = Usage()
    outputs: dict[str, JsonValue] = {}
    stored: dict[str, Stored] = {}
    failure: Failure | None = None
    approvals: list[Approval] = []
    parked: Parked | None = None
    paused: bool = False


OVERVIEW_MEMO = "standing"


class RunOverview(BaseModel):
    """Where a run stands, in its memo, which can be read without a worker.

    `state`: a run's status, `waiting_approval` or `paused`. `task`: the current one, number `number` of `tasks`.
    `waits`: what for, a line each.
    """

    state: str = "running"
    task: str = ""
    number: int = 0
    tasks: int = 0
    waits: list[str] = []


class RunLine(BaseModel):
    """One run in a list. `status`: Temporal's, in small letters."""

    id: str
    flow: str
    status: str
    standing: RunOverview
    started: datetime
    ended: datetime | None = None
    dry_run: bool = False


class BranchReport(BaseModel):
    """One line of the manifest. `attempts`: in all legs; None: not known."""

    task: str
    index: int
    label: str = ""
    status: BranchStatus
    model: str = ""
    attempts: int | None = None
    legs: int = 1
    started: datetime | None = None
    ended: datetime | None = None
    usage: Usage = Usage()
    error: str | None = None


class Manifest(BaseModel):
    """Everything known of a run but what its agents said: the `manifest` query."""

    report: RunReport
    branches: list[BranchReport] = []
