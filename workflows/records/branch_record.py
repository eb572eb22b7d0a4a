"""A branch that has begun, and has no result yet: how far it is, how it failed, what it waits for."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from grammar.budgets.account import Account
from grammar.failure_policy import is_spent
from grammar.messages.activity_results import Branch, BranchResult, FailureDetails, Leg, Usage
from grammar.messages.asked_models import AskedModel
from grammar.messages.budgets import Spent
from grammar.messages.continue_as_new import CarriedBranch, FinishedBranch, WaitingBranch
from grammar.messages.events import RateLimitWait
from grammar.messages.reports import Approval, ApprovalDecision, BranchStatus, Failure

_STATUS: dict[str, BranchStatus] = {
    "approval": "waiting",
    "unknown_outcome": "waiting",
    "rate_limited": "rate_limited",
    "unavailable": "rate_limited",
}


@dataclass
class BranchRecord:
    """Hold what is known of a branch that has no result yet.

    `leg`: the number of its leg, from 1. `journal`: the one it goes on from; empty where it begins one. `turns`: the
    model's answers in earlier legs. `attempts`: in legs that have ended; None: not known. `failure`: why it failed;
    None where it runs. `failure_details`: what that cost. `waiting`: what it asks people; None where it asks nothing.
    `rate_limit`: the endpoint's request to wait; None where it does not wait for that. `model`: which of its models it
    asks, from 0: those after the first are fallbacks. `asking`: that one; None where there are no fallbacks. `asked`:
    those that it has asked, each with the branch's usage by then. `counted`: what of its conversation counts in
    budgets. `assumed`: what counts besides, until it is known what was used. `account`: its own budget.
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
    failure_details: FailureDetails = field(default_factory=FailureDetails)
    waiting: WaitingBranch | None = None
    rate_limit: RateLimitWait | None = None
    model: int = 0
    asking: AskedModel | None = None
    asked: list[AskedModel] = field(default_factory=list)
    counted: Usage = field(default_factory=Usage)
    account: Account = field(default_factory=Account)
    assumed: Spent = field(default_factory=Spent)

    @classmethod
    def from_carried(cls, carried: CarriedBranch) -> "BranchRecord":
        """Return the branch as the history before knew it."""
        return cls(
            carried.branch,
            leg=carried.leg,
            journal=carried.journal,
            status="failed" if carried.failure else "waiting" if carried.waiting else "running",
            failure=carried.failure,
            failure_details=carried.lost,
            waiting=carried.waiting,
            attempts=carried.attempts,
            started=carried.started,
            ended=carried.ended,
            model=carried.model,
            asked=list(carried.asked),
            counted=carried.counted,
            account=Account(spent=carried.spent),
            assumed=carried.assumed,
        )

    def carried(self, decisions: Callable[[list[Approval]], list[ApprovalDecision]]) -> CarriedBranch:
        """Return what a new history needs of it. `decisions`: tells what was decided so far of calls that wait."""
        waiting = self.waiting and self.waiting.model_copy(update={"said": decisions(self.waiting.asked)})
        return CarriedBranch(
            branch=self.branch,
            failure=self.failure,
            lost=self.failure_details,
            waiting=waiting,
            attempts=self.attempts,
            started=self.started,
            ended=self.ended,
            leg=self.leg,
            journal=self.journal,
            model=self.model,
            asked=self.asked,
            counted=self.counted,
            spent=self.account.spent,
            assumed=self.assumed,
        )

    @property
    def index(self) -> int:
        """Return the branch's index in its task."""
        return self.branch.index

    def end_leg(self, leg: Leg, activity: str, result: BranchResult) -> int:
        """Record that a leg was left off, and return how many turns it gained. `activity`: the id of its activity."""
        self._count_attempts(result.attempts)
        self._count_usage(result.usage, result.model)
        gained = max(0, leg.turns - self.turns)
        self.leg += 1
        self.turns += gained
        # After an approval, the next leg begins a journal of its own.
        self.journal = "" if leg.reason == "approval" else self.journal or activity
        self.status = _STATUS.get(leg.reason, self.status)
        return gained

    def wait(self, leg: Leg, approvals: list[Approval]) -> None:
        """Record that it waits for people's decisions about these calls of the leg."""
        self.waiting = WaitingBranch(leg=leg, asked=approvals)
        self.status = "waiting"

    def resume(self) -> None:
        """Record that it waits for nothing any more, and its next leg starts."""
        self.waiting, self.rate_limit, self.status = None, None, "running"

    def fail(self, failure: Failure, details: FailureDetails, activity: str, now: datetime) -> None:
        """Record that it failed, for good or until a person has it retried. `activity`: the id of its activity."""
        self.failure, self.status, self.ended, self.rate_limit = failure, "failed", now, None
        known = {} if details.usage.requests else {"usage": self.counted}
        self.failure_details = details.model_copy(update={"said": [], **known})
        self._count_attempts(details.attempts)
        self._count_usage(details.usage, details.model)
        self.journal = self.journal or activity

    def reopen(self) -> bool:
        """Make it run again after a failure, from its journal, unless its conversation was spent; on its first model.

        Returns whether its usage is lost for good: of a conversation that goes on, the next leg counts it again.
        """
        assert self.failure
        is_lost = is_spent(self.failure.type)
        self.journal = "" if is_lost else self.journal
        self.counted, self.assumed = (Usage(), Spent()) if is_lost else (self.counted, self.assumed)
        self.failure, self.failure_details, self.status, self.ended = None, FailureDetails(), "running", None
        self.leg += 1
        self.model = 0
        self.asked = [] if is_lost else self.asked
        return is_lost

    def finish(self, result: BranchResult, now: datetime) -> FinishedBranch:
        """Return what is kept of it, now that it gave its result."""
        self._count_attempts(result.attempts)
        self._count_usage(result.usage, result.model)
        finished = finished_branch(self.branch, result, self.leg)
        return finished._replace(attempts=self.attempts, started=self.started, ended=now, asked=self.shares)

    def used(self, named: str) -> list[AskedModel]:
        """Return what each of its models used until it failed; none where it did not. `named`: the first one."""
        details = self.failure_details
        alone = AskedModel(named=named, model=details.model, usage=details.usage)
        return (self.shares or [alone]) if self.failure else []

    @property
    def shares(self) -> list[AskedModel]:
        """Return what each of the models used that it has asked; empty where it asked its first one alone."""
        if self.model == 0 and len(self.asked) < 2:
            return []
        found: dict[tuple[str, str], AskedModel] = {}
        for asked, before in zip(self.asked, [AskedModel(), *self.asked], strict=False):
            known = found.setdefault((asked.named, asked.model), AskedModel(named=asked.named, model=asked.model))
            known.usage += asked.usage - before.usage
        return list(found.values())

    def _count_usage(self, usage: Usage, model: str = "") -> None:
        """Note what the branch has used by now. `model`: the provider's id; empty: not known."""
        if self.asking is None:
            return
        now = self.asking.model_copy(update={"usage": usage, **({"model": model} if model else {})})
        if self.asked and self.asked[-1].named == now.named:
            before = self.asked.pop()
            now = now if usage.requests else before
        elif not usage.requests:  # not known, as where its worker was lost
            now.usage = self.asked[-1].usage if self.asked else usage
        self.asked.append(now)

    def _count_attempts(self, attempts: int | None) -> None:
        known = self.attempts is not None and attempts is not None
        self.attempts = (self.attempts or 0) + (attempts or 0) if known else None


def finished_branch(branch: Branch, result: BranchResult, legs: int) -> FinishedBranch:
    """Return what is kept of a branch that gave its result, in so many legs. Attempts and times are not known here."""
    return FinishedBranch(
        number=branch.index,
        item=branch.item,
        value=result.value,
        stored=result.stored,
        tool_results=result.tool_results,
        results=result.results,
        model=result.model,
        legs=legs,
        **result.usage.model_dump(),
    )
