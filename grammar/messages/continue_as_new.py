"""What a run takes along when it continues in a new history, and a new run from an earlier one."""

from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, JsonValue

from grammar.documents.budget import Budget
from grammar.documents.values import StoredDocument, ToolResult
from grammar.messages.activity_results import Branch, BranchResult, FailureDetails, Leg, StoredPage, Usage
from grammar.messages.asked_models import AskedModel
from grammar.messages.budgets import BudgetOf, BudgetReport, ConfirmedBy, Spent
from grammar.messages.events import RunEvent
from grammar.messages.reports import Approval, ApprovalDecision, Failure, Grant, RunOverview, TaskReport
from grammar.messages.run_bundle import Bundle


class FinishedBranch(NamedTuple):
    """What a run keeps of a branch that gave its result. There may be very many: hence no model.

    New fields go to the end, with a default: open runs carry tuples of before.
    """

    number: int
    """The branch's index, from 0."""
    item: JsonValue
    """Its item; None where the task does not repeat, a stored page has it, or the results are published."""
    value: JsonValue
    """Its value; None also where it is in `stored`, or published."""
    stored: StoredDocument | None
    """Where value and tool results are; None: they are here, or published."""
    tool_results: list[ToolResult]
    """What its tools gave, in the order of the calls; empty where they are in `stored`, or published."""
    results: int
    """How many tool results `stored` has; 0 without it."""
    model: str
    """The provider's id of the model; empty for a script."""
    requests: int
    """How often the model answered."""
    input_tokens: int
    """How many tokens the model read."""
    output_tokens: int
    """How many tokens the model wrote."""
    legs: int
    """How many legs it took, at least 1."""
    attempts: int | None = None
    """How many attempts its legs took together; None: not known."""
    started: datetime | None = None
    """When it was first deployed; None: not known."""
    ended: datetime | None = None
    """When it gave its result; None: not known."""
    asked: list[AskedModel] = []  # noqa: RUF012 (of a NamedTuple: nothing is added to it)
    """The models that it asked, one after the other, where a fallback was among them; else empty."""
    cached_tokens: int = 0
    """How many of `input_tokens` came from the provider's cache."""
    cache_write_tokens: int = 0
    """How many of `input_tokens` were written to the provider's cache."""
    reasoning_tokens: int = 0
    """How many of `output_tokens` the model thought."""

    @property
    def usage(self) -> Usage:
        """Return what it cost."""
        return Usage(**{name: getattr(self, name) for name in Usage.model_fields})


class WaitingBranch(BaseModel):
    """What a branch waits for a person about."""

    leg: Leg
    """The leg that was left off."""
    asked: list[Approval]
    """What was asked, for each of the leg's calls, in their order."""
    said: list[ApprovalDecision] = []
    """What was said of them so far, by the ids of `asked`."""


class FailureStreak(BaseModel):
    """How many branches of a task failed one after the other, with none that succeeded between them."""

    failed: int = 0
    """How many."""
    alike: int = 0
    """How many of these, the newest, failed by the same type and message."""
    type: str = ""
    """The type of the newest failure; empty: there is none."""
    message: str = ""
    """Its message."""


class CarriedBranch(BaseModel):
    """A branch that has begun, and has no result yet. One without a `failure` has to run again."""

    branch: Branch
    """The branch, without its prompt."""
    deployed: BranchResult | None = None
    """Its result, in what runs of older versions carry; else None: such a branch is a FinishedBranch."""
    failure: Failure | None = None
    """Why it failed; None: it did not."""
    lost: FailureDetails = FailureDetails()
    """What its failure cost."""
    waiting: WaitingBranch | None = None
    """What it waits for a person about; None: it does not."""
    attempts: int | None = 0
    """How many attempts its legs that have ended took together; None: not known."""
    started: datetime | None = None
    """When it was first deployed; None: not known."""
    ended: datetime | None = None
    """When it failed; None: it did not, or not known."""
    leg: int = 1
    """The number of its leg, from 1."""
    journal: str = ""
    """The journal it goes on from: the id of the activity that began it. Empty: it begins one."""
    model: int = 0
    """Which of its models it asks, from 0: those after the first are fallbacks."""
    asked: list[AskedModel] = []
    """The models that it asked so far; each `usage` is that of the branch as a whole when it went on to the next."""
    counted: Usage = Usage()
    """What its agent run has used in earlier legs, as far as they said so: it counts in budgets."""
    spent: Spent = Spent()
    """What it spent of its budget: of conversations, too, that were given up for a new one."""
    assumed: Spent = Spent()
    """How much more of that is assumed, until it is known what was used."""


class Cooldown(BaseModel):
    """A model that the run does not ask for a while, since its endpoint failed."""

    model: str
    """What tells it from others: its name, its endpoint, and the variable that holds its key."""
    until: datetime
    """When one branch may try it again."""
    times: int
    """How often it failed, with no answer in between."""


class CarriedTask(BaseModel):
    """A task so far."""

    report: TaskReport
    """What people are told of it."""
    items: int = 1
    """How many items it has; 1 where it does not repeat, or that is not known yet."""
    expected: bool = False
    """Whether it is known how many items it has."""
    model: str = ""
    """The provider's id of the model that gave the last result; empty: none has."""
    whole: list[Failure] = []
    """Failures of the task as a whole, before any branch ran."""
    took_source: bool = False
    """Whether it has taken what it repeats over off the carry-over."""
    usage: Usage | None = None
    """With `used` None, what it used, less what is in `lost` of `branches`; None in what still older versions carry."""
    used: list[AskedModel] | None = None
    """What each model used, less what is in `lost` of `branches`; None in what runs of older versions carry."""
    pages: list[StoredPage] = []
    """The stored pages of its branches; empty: there are none, or its results are published."""
    done: list[FinishedBranch] = []
    """The branches that gave their result."""
    branches: list[CarriedBranch] = []
    """The other branches that have begun."""
    budget: BudgetReport = BudgetReport()
    """Its budget, and what was spent of it."""
    item_budget: Budget | None = None
    """The budget of each of its branches, with what was added to it; None: there is none."""
    reached: BudgetOf | None = None
    """Whose budget was used up, so that no further branch starts; None: there is some left."""
    streak: FailureStreak = FailureStreak()
    """Its branches that failed last."""
    confirmed: list[ConfirmedBy] = []
    """What a person said yes to of its size and cost."""


class CarryOverChange(BaseModel):
    """What one task did to the carry-over: it took results off its top, then pushed its own."""

    taken: int = 0
    """How many results it took."""
    pushed: list[ToolResult] = []
    """What it pushed, the newest last; of very many, the newest ones."""


class CarriedRun(BaseModel):
    """What a run takes along when it continues in a new history; and a new run, from an earlier one of its flow."""

    index: int
    """The index of the task that goes on, from 0."""
    tasks: list[CarriedTask]
    """The tasks so far, one for each of the bundle's; the `given_before` query gives those before `index` alone."""
    source: ToolResult | None = None
    """What the task at `index` repeats over; None: nothing, or it has not begun."""
    stack: list[CarryOverChange] = []
    """The carry-over: what each task did to it, in the order of the tasks."""
    outputs: dict[str, JsonValue] = {}
    """What tasks published, by their ids, as far as the run keeps it itself."""
    stored: dict[str, StoredDocument] = {}
    """What else they published, by their ids: it is in payload storage."""
    secrets: list[str] = []
    """Names of the variables that `env()` has handed out so far in the run."""
    key: str
    """What marks the run's references to variables: the `key` of its TemplateContext."""
    entries: list[RunEvent] = []
    """The newest events, for followers."""
    count: int = 0
    """How many events there were in all: the number of the next one."""
    paused: bool = False
    """Whether the run is paused."""
    cooldowns: list[Cooldown] = []
    """The models that are not asked for a while; empty for a new run, which asks them."""
    budget: BudgetReport | None = None
    """The budget of the run, and what was spent of it; None in what runs of older versions carry."""
    granted: list[Grant] = []
    """The tools that need no approval any more; empty for a new run, which asks again."""
    standing: RunOverview = RunOverview()
    """What the run's memo says of it."""


class RunInput(Bundle):
    """The workflow's input: a bundle, and what a run of it takes along."""

    carried: CarriedRun | None = None
    """What it takes along from the history before, or from an earlier run; None: it begins with nothing."""
