"""A branch that has begun, and has no result yet: how far it is, how it failed, what it waits for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from grammar.errors import is_spent
from grammar.messages.activity_results import Branch, BranchResult, FailureDetails, Leg, Usage
from grammar.messages.continue_as_new import CarriedBranch, FinishedBranch, WaitingBranch
from grammar.messages.reports import Approval, ApprovalDecision, BranchStatus, Failure

_STATUS: dict[str, BranchStatus] = {
    "approval": "waiting",
    "unknown_outcome": "waiting",
    "rate_limited": "rate_limited",
}


@dataclass
class BranchRecord:
    """`leg`: the number of its leg, from 1. `journal`: the one it goes on from; empty where it begins one.

    `turns`: how far earlier legs came. `attempts`: in legs that have ended; None: not known. `lost`: what its failure
    cost.
    """

    branch: Branch
    leg: int = 1
    journal: str = ""
    turns: int = 0
    attempts: int | None = 0
    started: datetime | None = None
    ended: datetime | None = None
    status: BranchStatus = "running"
    failure: Failure | None = None
    lost: FailureDetails = field(default_factory=FailureDetails)
    waiting: WaitingBranch | None = None

    @classmethod
    def taken_over(cls, carried: CarriedBranch) -> "BranchRecord":
        """As the history before knew it."""
        return cls(
            carried.branch,
            leg=carried.leg,
            journal=carried.journal,
            status="failed" if carried.failure else "waiting" if carried.waiting else "running",
            failure=carried.failure,
            lost=carried.lost,
            waiting=carried.waiting,
            attempts=carried.attempts,
            started=carried.started,
            ended=carried.ended,
        )

    def carried(self, said: Callable[[list[Approval]], list[ApprovalDecision]]) -> CarriedBranch:
        """What a new history needs of it. `said`: what people said so far of calls that wait."""
        waiting = self.waiting and self.waiting.model_copy(update={"said": said(self.waiting.asked)})
        return CarriedBranch(
            branch=self.branch,
            failure=self.failure,
            lost=self.lost,
            waiting=waiting,
            attempts=self.attempts,
            started=self.started,
            ended=self.ended,
            leg=self.leg,
            journal=self.journal,
        )

    def leave_off(self, leg: Leg, activity: str, attempts: int) -> int:
        """A leg ended, and the branch has not. Returns how many turns it gained. `activity`, `attempts`: the leg's."""
        self._count(attempts)
        gained = max(0, leg.turns - self.turns)
        self.leg += 1
        self.turns += gained
        # After an approval, the next leg begins a journal of its own.
        self.journal = "" if leg.reason == "approval" else self.journal or activity
        self.status = _STATUS.get(leg.reason, self.status)
        return gained

    def wait(self, leg: Leg, asked: list[Approval]) -> None:
        """It waits for a person."""
        self.waiting = WaitingBranch(leg=leg, asked=asked)
        self.status = "waiting"

    def go_on(self) -> None:
        """The next leg may start."""
        self.waiting, self.status = None, "running"

    def fail(self, failure: Failure, lost: FailureDetails, activity: str, now: datetime) -> None:
        """It failed for good, or until a person has it retried."""
        self.failure, self.status, self.ended = failure, "failed", now
        self.lost = lost.model_copy(update={"said": []})
        self._count(lost.attempts)
        self.journal = self.journal or activity

    def reopen(self) -> Usage:
        """It is to run again, and goes on from its journal, unless its conversation was spent.

        Returns what is lost for good: of a conversation that goes on, the next leg counts it again.
        """
        assert self.failure
        lost = self.lost.usage if is_spent(self.failure.type) else Usage()
        self.journal = "" if is_spent(self.failure.type) else self.journal
        self.failure, self.lost, self.status, self.ended = None, FailureDetails(), "running", None
        self.leg += 1
        return lost

    def done(self, deployed: BranchResult, now: datetime) -> FinishedBranch:
        """What is kept of it, now that it gave its result."""
        self._count(deployed.attempts)
        return done(self.branch, deployed, self.leg)._replace(attempts=self.attempts, started=self.started, ended=now)

    def _count(self, attempts: int | None) -> None:
        known = self.attempts is not None and attempts is not None
        self.attempts = (self.attempts or 0) + (attempts or 0) if known else None


def done(branch: Branch, deployed: BranchResult, legs: int) -> FinishedBranch:
    """What is kept of a branch that gave its result."""
    usage = deployed.usage
    return FinishedBranch(
        number=branch.index,
        item=branch.item,
        value=deployed.value,
        stored=deployed.stored,
        tool_results=deployed.tool_results,
        results=deployed.results,
        model=deployed.model,
        requests=usage.requests,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        legs=legs,
    )
