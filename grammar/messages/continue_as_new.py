"""What a run takes along when it continues in a new history, and a new run from an earlier one."""

from datetime import datetime
from typing import NamedTuple

from pydantic import BaseModel, JsonValue

from grammar.documents.values import Stored, ToolResult
from grammar.messages.contracts import (
    ApprovalDecision,
    Branch,
    BranchResult,
    Bundle,
    FailureDetails,
    Leg,
    StoredPage,
    Usage,
)
from grammar.messages.events import RunEvent
from grammar.messages.reports import Approval, Failure, Grant, RunOverview, TaskReport


class FinishedBranch(NamedTuple):
    """What a run keeps of a branch that gave its result. There may be very many: hence no model.

    `number`: the branch's index. `item`: None where a stored page has it. `stored`: value and tool results, `results`
    of them, are there. `requests`, `input_tokens`, `output_tokens`: its usage. New fields go to the end, with a
    default: open runs carry tuples of before.
    """

    number: int
    item: JsonValue
    value: JsonValue
    stored: Stored | None
    tool_results: list[ToolResult]
    results: int
    model: str
    requests: int
    input_tokens: int
    output_tokens: int
    legs: int
    attempts: int | None = None
    started: datetime | None = None
    ended: datetime | None = None


class WaitingBranch(BaseModel):
    """A branch that waits for a person: the leg that was left off, what was asked, and what was said of it so far."""

    leg: Leg
    asked: list[Approval]
    said: list[ApprovalDecision] = []


class CarriedBranch(BaseModel):
    """A branch that has begun. Neither `deployed` nor `failure`: it has to run again. `lost`: what its failure cost.

    `attempts`: in legs that have ended. `deployed`: only in what runs of before carry: those with a result are Done.
    """

    branch: Branch
    deployed: BranchResult | None = None
    failure: Failure | None = None
    lost: FailureDetails = FailureDetails()
    waiting: WaitingBranch | None = None
    attempts: int | None = 0
    started: datetime | None = None
    ended: datetime | None = None
    leg: int = 1
    journal: str = ""


class CarriedTask(BaseModel):
    """A task so far. `expected`: how many items there are is known. `usage`: less what failed
    branches cost; None in what runs of before carry.
    """

    report: TaskReport
    items: int = 1
    expected: bool = False
    model: str = ""
    whole: list[Failure] = []
    took_source: bool = False
    usage: Usage | None = None
    pages: list[StoredPage] = []
    done: list[FinishedBranch] = []
    branches: list[CarriedBranch] = []


class CarryOverChange(BaseModel):
    """What one task did to the stack of results: took so many off, then pushed."""

    taken: int = 0
    pushed: list[ToolResult] = []


class Carried(BaseModel):
    """What a run takes along when it continues in a new history; and a new run, from an earlier one of its flow.

    `index`: of the task that goes on, `source` what it repeats over. `stack`: by task. `entries`: the newest of
    `count`, for followers. `granted`: what needs no approval any more; a new run asks again.
    """

    index: int
    tasks: list[CarriedTask]
    source: ToolResult | None = None
    stack: list[CarryOverChange] = []
    outputs: dict[str, JsonValue] = {}
    stored: dict[str, Stored] = {}
    secrets: list[str] = []
    key: str
    entries: list[RunEvent] = []
    count: int = 0
    paused: bool = False
    granted: list[Grant] = []
    standing: RunOverview = RunOverview()


class RunInput(Bundle):
    """The workflow's input: a bundle, and with `carried` a run of it that continues in a new history."""

    carried: Carried | None = None
