"""Tool calls that wait for a person, and what was decided (specification sections 6 and 9)."""

from collections.abc import Callable, Sequence
from datetime import datetime

from temporalio import workflow

from grammar.messages.activity_results import Leg, PendingCall
from grammar.messages.continue_as_new import WaitingBranch
from grammar.messages.reports import Approval, ApprovalDecision, ApprovalKind, Grant

YES_OR_NO: tuple[ApprovalKind, ...] = ("approval", "fan_out")
"""What is answered by `approve` and `reject`."""
INTERRUPTED: tuple[ApprovalKind, ...] = ("unknown_outcome",)
"""What is answered by `retry_call` and `skip_call`."""
GRANTED: tuple[ApprovalKind, ...] = ("approval",)
"""What is answered by `approve_always` too."""


class StillWaiting(Exception):
    """Leave a branch that waits for a person to the new history in which the run continues."""


class Approvals:
    """Hold the open calls of a run, and what was decided.

    `changed`: called with each call that opens, and with each that is decided and its decision.
    """

    def __init__(
        self, now: Callable[[], datetime], changed: Callable[[Approval, ApprovalDecision | None], None]
    ) -> None:
        self._now = now
        self._changed = changed
        self._open: dict[str, Approval] = {}
        self._decisions: dict[str, ApprovalDecision] = {}
        self._call_numbers: dict[str, int] = {}
        self.granted: set[Grant] = set()

    @property
    def open(self) -> list[Approval]:
        """Return the open calls, in the order in which they were asked for."""
        return list(self._open.values())

    def ask(self, leg: Leg, activity_id: str, task: str, branch: str) -> list[Approval]:
        """Open every call of the leg, and return them. `branch`: its label; `activity_id`: of its first leg."""
        kind: ApprovalKind = "unknown_outcome" if leg.reason == "unknown_outcome" else "approval"
        return [self._ask(activity_id, task, branch, call, kind) for call in leg.calls]

    def ask_again(self, waiting: WaitingBranch) -> None:
        """Open again what was asked in the history before, unless it was decided there."""
        self._decisions |= {decision.id: decision for decision in waiting.said}
        for approval in waiting.asked:
            activity_id, _, number = approval.id.rpartition("-call-")
            self._call_numbers[activity_id] = int(number)
            if approval.id not in self._decisions:
                self._open[approval.id] = approval

    def decisions(self, approvals: list[Approval]) -> list[ApprovalDecision]:
        """Return what was decided of these so far."""
        return [self._decisions[approval.id] for approval in approvals if approval.id in self._decisions]

    async def wait_for_decisions(
        self, approvals: list[Approval], leg: Leg, leave: Callable[[], bool]
    ) -> list[ApprovalDecision]:
        """Return what was decided of each call of the leg, under the model's id of it, as soon as all are decided.

        Raises StillWaiting where `leave` becomes true before that.
        """
        try:
            await workflow.wait_condition(lambda: len(self.decisions(approvals)) == len(approvals) or leave())
        finally:
            for approval in approvals:
                self._open.pop(approval.id, None)
        decisions = self.decisions(approvals)
        if len(decisions) < len(approvals):
            raise StillWaiting
        return [
            decision.model_copy(update={"id": call.id}) for decision, call in zip(decisions, leg.calls, strict=True)
        ]

    def ask_size(self, activity_id: str, task: str, size: str) -> Approval:
        """Open the question whether a task is to have so many branches, and return it. `size`: as people read it."""
        asked = Approval(id="", kind="fan_out", task=task, tool="", toolbox="", arguments=size, since=self._now())
        return self._opened(activity_id, asked)

    async def answer(self, approval: Approval) -> ApprovalDecision:
        """Return what a person decides about it, as soon as that is known."""
        try:
            await workflow.wait_condition(lambda: approval.id in self._decisions)
        finally:
            self._open.pop(approval.id, None)
        return self._decisions[approval.id]

    def decide(self, decision: ApprovalDecision, kinds: Sequence[ApprovalKind] = YES_OR_NO) -> None:
        """Take in what a person decided. Ignored where no such call is open."""
        approval = self._open.get(decision.id)
        if approval is None or approval.kind not in kinds:
            return
        del self._open[decision.id]
        self._decisions[decision.id] = decision
        self._changed(approval, decision)

    def grant(self, call: str) -> None:
        """Approve the call of that id, and from now on each other one of its tool. Ignored where it is not open."""
        approval = self._open.get(call)
        if approval is None or approval.kind != "approval":
            return
        self.granted.add(approval.grant)
        for waiting in self.open:
            self._decide_if_granted(waiting)

    def check(self, call: str, kinds: Sequence[ApprovalKind] = YES_OR_NO) -> None:
        """Raise ValueError where no such call is open."""
        known = [approval.id for approval in self.open if approval.kind in kinds]
        if call not in known:
            what = "was interrupted" if kinds == INTERRUPTED else "waits for approval"
            raise ValueError(f"no call {call!r} {what} (open: {', '.join(known) or 'none'})")

    def _ask(self, activity_id: str, task: str, branch: str, call: PendingCall, kind: ApprovalKind) -> Approval:
        asked = Approval(
            id="",
            kind=kind,
            task=task,
            branch=branch,
            tool=call.tool,
            toolbox=call.toolbox,
            arguments=call.arguments,
            since=self._now(),
        )
        approval = self._opened(activity_id, asked)
        self._decide_if_granted(approval)
        return approval

    def _opened(self, activity_id: str, asked: Approval) -> Approval:
        """Give it an id, and open it."""
        number = self._call_numbers[activity_id] = self._call_numbers.get(activity_id, 0) + 1
        approval = asked.model_copy(update={"id": f"{activity_id}-call-{number}"})
        self._open[approval.id] = approval
        self._changed(approval, None)
        return approval

    def _decide_if_granted(self, approval: Approval) -> None:
        if approval.kind == "approval" and approval.grant in self.granted:
            self.decide(ApprovalDecision(id=approval.id, approved=True))
