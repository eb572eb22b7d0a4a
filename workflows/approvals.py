"""Tool calls that wait for a person, and what was said (specification sections 6 and 9)."""

from collections.abc import Callable
from datetime import datetime
from typing import Literal

from temporalio import workflow

from grammar.messages.activity_results import Leg, PendingCall
from grammar.messages.continue_as_new import WaitingBranch
from grammar.messages.reports import Approval, ApprovalDecision, Grant

Kind = Literal["approval", "unknown_outcome"]


class LeftWaiting(Exception):
    """The run goes on in a new history, and the branch waits on there."""


class Approvals:
    """The open calls of a run. `told`: hears of each that is asked for, and of each that is decided."""

    def __init__(self, now: Callable[[], datetime], told: Callable[[Approval, ApprovalDecision | None], None]) -> None:
        self._now = now
        self._told = told
        self._open: dict[str, Approval] = {}
        self._said: dict[str, ApprovalDecision] = {}
        self._asked: dict[str, int] = {}
        self.granted: set[Grant] = set()

    @property
    def open(self) -> list[Approval]:
        """In the order in which they were asked for."""
        return list(self._open.values())

    def ask(self, leg: Leg, activity_id: str, task: str, branch: str) -> list[Approval]:
        """Every call of the leg is open from now on."""
        kind: Kind = "unknown_outcome" if leg.reason == "unknown_outcome" else "approval"
        return [self._ask(activity_id, task, branch, call, kind) for call in leg.calls]

    def ask_again(self, waiting: WaitingBranch) -> None:
        """What was asked in the history before is open again, unless it was decided there."""
        self._said |= {one.id: one for one in waiting.said}
        for approval in waiting.asked:
            activity_id, _, number = approval.id.rpartition("-call-")
            self._asked[activity_id] = int(number)
            if approval.id not in self._said:
                self._open[approval.id] = approval

    def said(self, asked: list[Approval]) -> list[ApprovalDecision]:
        """What was said of these so far."""
        return [self._said[one.id] for one in asked if one.id in self._said]

    async def answers(self, asked: list[Approval], leg: Leg, leave: Callable[[], bool]) -> list[ApprovalDecision]:
        """What was said of each call of the leg, as soon as all are decided. Raises LeftWaiting where `leave` says."""
        try:
            await workflow.wait_condition(lambda: len(self.said(asked)) == len(asked) or leave())
        finally:
            for one in asked:
                self._open.pop(one.id, None)
        if len(self.said(asked)) < len(asked):
            raise LeftWaiting
        return [
            self._said[one.id].model_copy(update={"id": call.id}) for one, call in zip(asked, leg.calls, strict=True)
        ]

    def decide(self, verdict: ApprovalDecision, kind: Kind = "approval") -> None:
        """Take in what a person said. Where no such call is open, there is nothing to decide."""
        approval = self._open.get(verdict.id)
        if approval is None or approval.kind != kind:
            return
        del self._open[verdict.id]
        self._said[verdict.id] = verdict
        self._told(approval, verdict)

    def grant(self, call: str) -> None:
        """Approve the call of that id, and from now on each other one of its tool."""
        approval = self._open.get(call)
        if approval is None or approval.kind != "approval":
            return
        self.granted.add(approval.grant)
        for one in self.open:
            self._decide_if_granted(one)

    def check(self, call: str, kind: Kind = "approval") -> None:
        """Raise ValueError where no such call is open."""
        known = [one.id for one in self.open if one.kind == kind]
        if call not in known:
            what = "waits for approval" if kind == "approval" else "was interrupted"
            raise ValueError(f"no call {call!r} {what} (open: {', '.join(known) or 'none'})")

    def _ask(self, activity_id: str, task: str, branch: str, call: PendingCall, kind: Kind) -> Approval:
        number = self._asked[activity_id] = self._asked.get(activity_id, 0) + 1
        approval = Approval(
            id=f"{activity_id}-call-{number}",
            kind=kind,
            task=task,
            branch=branch,
            tool=call.tool,
            toolbox=call.toolbox,
            arguments=call.arguments,
            since=self._now(),
        )
        self._open[approval.id] = approval
        self._told(approval, None)
        self._decide_if_granted(approval)
        return approval

    def _decide_if_granted(self, approval: Approval) -> None:
        if approval.kind == "approval" and approval.grant in self.granted:
            self.decide(ApprovalDecision(id=approval.id, approved=True))
