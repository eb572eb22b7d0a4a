"""What a run tells of itself, and what people decide: reports, the manifest, approvals, decisions."""

from datetime import datetime
from typing import Literal, NamedTuple

from pydantic import BaseModel, JsonValue

from grammar.documents.values import StoredDocument
from grammar.messages.activity_results import Usage
from grammar.messages.asked_models import AskedModel, Cost
from grammar.messages.budgets import BudgetRaise, BudgetReport


class Grant(NamedTuple):
    """A tool whose every call in the run a person has approved."""

    toolbox: str
    """The name of its toolbox."""
    tool: str
    """The tool's name."""


ApprovalKind = Literal["approval", "unknown_outcome", "fan_out"]
"""What waits for a person's yes."""


class Approval(BaseModel):
    """A tool call, or a fan-out, that waits for a person."""

    id: str
    """What an answer names it by: the branch's activity id and the number of the call, from 1."""
    kind: ApprovalKind = "approval"
    """`approval`: to `approve` or `reject`. `unknown_outcome`: it was interrupted; to `retry_call` or `skip_call`.

    `fan_out`: no call, but a task with more branches than may start unasked; to `approve` or `reject`.
    """
    task: str
    """The name of the task."""
    branch: str = ""
    """The branch, as `item 3 of 50 on gpt-4.1`; empty where the task has only one."""
    tool: str
    """The tool's name; empty for a fan-out."""
    toolbox: str
    """The name of its toolbox; empty: not known."""
    arguments: str
    """The arguments as JSON text; of a fan-out, how large it is, as people read it."""
    since: datetime
    """When it began to wait."""

    @property
    def grant(self) -> Grant:
        """Return what would approve it, and each other call of its tool."""
        return Grant(self.toolbox, self.tool)


class ApprovalDecision(BaseModel):
    """What a person said of one call."""

    id: str
    """The id of the Approval; on its way to `run_agent`, that of the PendingCall."""
    approved: bool
    """Whether the call is to be made; of one that was interrupted, to be repeated."""
    reason: str = ""
    """Why not: the agent is told. Empty: no reason was given."""


class Rejection(BaseModel):
    """The input of `reject` where the agent is to be told why."""

    id: str
    """The id of the Approval."""
    reason: str = ""
    """What the agent is told; empty: no reason."""


BranchStatus = Literal["running", "waiting", "rate_limited", "done", "failed", "cancelled"]
TaskStatus = Literal["waiting", "running", "parked", "done", "failed", "skipped", "cancelled"]
RunStatus = Literal[
    "running",
    "rate_limited",
    "waiting_approval",
    "paused",
    "parked",
    "interrupted",
    "completed",
    "completed_with_failures",
    "failed",
    "cancelled",
    "terminated",
    "timed_out",
]


class Failure(BaseModel):
    """Why a branch, a task or a run failed."""

    task: str
    """The name of the task."""
    branch: int | None = None
    """The index of the branch, from 0; None: the task as a whole."""
    item: int | None = None
    """The number of its item, from 1; None: the task has no items, or is meant as a whole."""
    model: str = ""
    """Its model, as the file names it; empty where the task has only one."""
    type: str
    """The name of the error class in grammar/errors.py, or of a failure of Temporal's."""
    message: str
    """What happened, for people."""


Action = Literal["retry", "skip", "set_output", "abort", "raise_budget"]


class Decision(BaseModel):
    """What a person decides of a parked task (specification section 9)."""

    action: Action
    """What is to be done."""
    task: str | None = None
    """The name of the task that it is for; None: whichever is parked."""
    value: JsonValue = None
    """With `set_output`, the task's value; else None."""
    budget: BudgetRaise | None = None
    """With `raise_budget`, what is added; else None."""


BUDGET_REACHED = "BudgetReached"
"""The type of the failure of a run that is parked at a budget."""
_HEADLINES = {BUDGET_REACHED: "the budget is used up, in {}", "TooManyFailures": "too much of {} failed"}


class Parked(BaseModel):
    """What a run waits for a decision of."""

    task: str
    """The name of the task that failed."""
    failure: Failure
    """Why it failed: the first of its failures."""
    failed: int = 0
    """How many of its branches failed."""
    since: datetime
    """When the run was parked."""

    @property
    def headline(self) -> str:
        """Return what holds the run up, in a few words: `scan failed`."""
        return _HEADLINES.get(self.failure.type, "{} failed").format(self.task)

    @property
    def is_at_budget(self) -> bool:
        """Return whether a budget is used up: `raise` adds to it."""
        return self.failure.type == BUDGET_REACHED


class TaskReport(BaseModel):
    """How one task went, or goes."""

    name: str
    """The task's name."""
    id: str | None = None
    """The key of its value in `outputs`; None: it publishes none."""
    status: TaskStatus = "waiting"
    """How it stands."""
    required: bool = False
    """Whether it has `must_complete`."""
    note: str = ""
    """Why it was skipped or had nothing to do, or what a person decided; empty: nothing to add."""
    total: int = 0
    """How many branches it has: items times models; 0 also until that is known."""
    done: int = 0
    """How many branches gave their result."""
    failed: int = 0
    """How many branches failed."""
    started: datetime | None = None
    """When it started; None: it has not."""
    ended: datetime | None = None
    """When it ended; None: it has not."""
    usage: Usage = Usage()
    """What all its branches used, the failed ones too."""
    usage_by_model: list[AskedModel] = []
    """The same for each model; empty for a script, and for what an earlier run gave."""
    cost: Cost = Cost()
    """What they cost."""
    failures: list[Failure] = []
    """What failed, the first few."""
    warnings: list[str] = []
    """What a person should hear of, a line each."""
    budget: BudgetReport | None = None
    """What it spent, of its budget if it has one; None: nothing in the run has a budget."""


class RunReport(BaseModel):
    """How the run went, or goes, as a whole: the workflow's result, its `status` query and `--json`."""

    name: str
    """The name of the bundle."""
    bundle: str
    """The hash of the bundle."""
    status: RunStatus = "running"
    """How it stands; the run's own word for an open one is only `running` or `parked`."""
    tasks: list[TaskReport] = []
    """The tasks, in their order."""
    usage: Usage = Usage()
    """What all tasks used."""
    usage_by_model: list[AskedModel] = []
    """The same for each model."""
    cost: Cost = Cost()
    """What they cost."""
    outputs: dict[str, JsonValue] = {}
    """What tasks published, by their ids, as far as the run keeps it itself."""
    stored: dict[str, StoredDocument] = {}
    """What else they published, by their ids: it is in payload storage."""
    failure: Failure | None = None
    """What ended the run; None: nothing did."""
    approvals: list[Approval] = []
    """The calls that wait for a person, in the order in which they were asked for."""
    parked: Parked | None = None
    """What it waits for a decision of; None: it is not parked."""
    paused: bool = False
    """Whether it starts no new branches until it is unpaused."""
    budget: BudgetReport | None = None
    """What it spent, of its budget if it has one; None: nothing in the run has a budget."""


class RunOverview(BaseModel):
    """Where a run stands, in its memo, which can be read without a worker."""

    state: str = "running"
    """A RunStatus, as far as the run itself knows: not whether it is served, or was ended from outside."""
    task: str = ""
    """The name of the current task; empty: none has started."""
    number: int = 0
    """The number of that task, from 1; 0: none has started."""
    tasks: int = 0
    """How many tasks there are; 0 until the run has started."""
    waits: list[str] = []
    """What it waits for, a line each, the first few; empty: nothing that a person could do."""


class RunLine(BaseModel):
    """One run in a list."""

    id: str
    """The run's id: Temporal's workflow id."""
    flow: str
    """The source of its bundle; empty: not known."""
    status: str
    """A RunStatus; `forgotten` where the server does not know it any more."""
    standing: RunOverview
    """Where it stands, as its memo says, with that status."""
    since: datetime | None = None
    """When an interrupted run was last heard of; None for any other one, and where that is not known."""
    started: datetime
    """When it started; of a run that went through several histories, when the newest of them did."""
    ended: datetime | None = None
    """When it ended; None: it is open."""
    dry_run: bool = False
    """Whether it is a dry run."""


class BranchReport(BaseModel):
    """How one branch went, or goes: a line of the manifest."""

    task: str
    """The name of its task."""
    index: int
    """Its number within the task, from 0."""
    item: int | None = None
    """The number of its item, from 1; None: the task has no items."""
    label: str = ""
    """It, as `item 3 of 50 on gpt-4.1`; empty where the task has only one."""
    status: BranchStatus
    """How it stands."""
    model: str = ""
    """The provider's id of the model that answered last; empty for a script, and until it is done."""
    asked: list[AskedModel] = []
    """The models that it asked, one after the other, where a fallback was among them; else empty."""
    attempts: int | None = None
    """How many attempts all of its legs took together; None: not known."""
    legs: int = 1
    """How many legs it has had, the current one included."""
    started: datetime | None = None
    """When it was first deployed; None: not known, as in what runs of older versions carry."""
    ended: datetime | None = None
    """When it ended; None: it has not, or not known."""
    usage: Usage = Usage()
    """What it used; nothing until it has ended."""
    cost: Cost = Cost()
    """What that cost."""
    error: str | None = None
    """Why it failed; None: it did not."""


class Manifest(BaseModel):
    """Everything known of a run but what its agents said: the `manifest` query."""

    report: RunReport
    """The run as a whole."""
    branches: list[BranchReport] = []
    """The branches that have begun, task after task, in item-then-model order."""
