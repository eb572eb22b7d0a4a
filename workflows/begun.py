"""A branch that has begun, and has no result yet: how far it is, how it failed, what it waits for."""

from collections.abc import Callable
from dataclasses import dataclass, field

from grammar.contracts import (
    Approval,
    Branch,
    BranchStatus,
    CarriedBranch,
    Deployed,
    Done,
    Failure,
    Leg,
    Usage,
    Verdict,
    Waiting,
)
from grammar.errors import is_spent

_STATUS: dict[str, BranchStatus] = {
    "approval": "waiting",
    "unknown_outcome": "waiting",
    "rate_limited": "rate_limited",
}


@dataclass
class Begun:
    """`leg`: the number of its leg, from 1. `journal`: the one it goes on from; empty where it begins one.

    `turns`: how far earlier legs came. `lost`: what its failure cost.
    """

    branch: Branch
    leg: int = 1
    journal: str = ""
    turns: int = 0
    status: BranchStatus = "running"
    failure: Failure | None = None
    lost: Usage = field(default_factory=Usage)
    waiting: Waiting | None = None

    @classmethod
    def taken_over(cls, carried: CarriedBranch) -> "Begun":
        """As the history before knew it."""
        return cls(
            carried.branch,
            leg=carried.leg,
            journal=carried.journal,
            status="failed" if carried.failure else "running",
            failure=carried.failure,
            lost=carried.lost,
            waiting=carried.waiting,
        )

    def carried(self, said: Callable[[list[Approval]], list[Verdict]]) -> CarriedBranch:
        """What a new history needs of it. `said`: what people said so far of calls that wait."""
        waiting = self.waiting and self.waiting.model_copy(update={"said": said(self.waiting.asked)})
        return CarriedBranch(
            branch=self.branch,
            failure=self.failure,
            lost=self.lost,
            waiting=waiting,
            leg=self.leg,
            journal=self.journal,
        )

    def leave_off(self, leg: Leg, activity: str) -> int:
        """A leg ended, and the branch has not. Returns how many turns it gained. `activity`: the leg's."""
        gained = max(0, leg.turns - self.turns)
        self.leg += 1
        self.turns += gained
        # After an approval, the next leg begins a journal of its own.
        self.journal = "" if leg.reason == "approval" else self.journal or activity
        self.status = _STATUS.get(leg.reason, self.status)
        return gained

    def wait(self, leg: Leg, asked: list[Approval]) -> None:
        """It waits for a person."""
        self.waiting = Waiting(leg=leg, asked=asked)
        self.status = "waiting"

    def go_on(self) -> None:
        """The next leg may start."""
        self.waiting, self.status = None, "running"

    def fail(self, failure: Failure, cost: Usage, activity: str) -> None:
        """It failed for good, or until a person has it retried."""
        self.failure, self.lost, self.status = failure, cost, "failed"
        self.journal = self.journal or activity

    def reopen(self) -> Usage:
        """It is to run again, and goes on from its journal, unless its conversation was spent.

        Returns what is lost for good: of a conversation that goes on, the next leg counts it again.
        """
        assert self.failure
        lost = self.lost if is_spent(self.failure.type) else Usage()
        self.journal = "" if is_spent(self.failure.type) else self.journal
        self.failure, self.lost, self.status = None, Usage(), "running"
        self.leg += 1
        return lost

    def done(self, deployed: Deployed) -> Done:
        """What is kept of it, now that it gave its result."""
        return done(self.branch, deployed, self.leg)


def done(branch: Branch, deployed: Deployed, legs: int) -> Done:
    """What is kept of a branch that gave its result."""
    usage = deployed.usage
    return Done(
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
