"""What people tell a run (specification section 9).

Each message is a signal, which is ignored where it does not fit, and an update, which is refused then.
"""

from pydantic import JsonValue
from temporalio import workflow

from grammar.messages.budgets import BudgetRaise
from grammar.messages.reports import Action, ApprovalDecision, Decision, Rejection
from workflows.records.approvals import GRANTED, INTERRUPTED
from workflows.records.run_record import RunRecord

_DESCRIPTIONS = {
    "approve": "Make the call, or start the branches. Input: its id, as text",
    "approve_always": "Make the call, and every later one of its tool in this run. Input: the call's id, as text",
    "reject": 'Refuse it. Input: its id, as text, or {"id": ..., "reason": ...}, which the agent is told',
    "retry_call": "Repeat the call that was interrupted. Input: its id, as text",
    "skip_call": "Leave out the call that was interrupted. Input: its id, as text",
    "retry": "Run again what failed of the parked task. Input: nothing, or the task's name",
    "skip": "Go on without what failed of the parked task. Input: nothing, or the task's name",
    "set_output": "Go on with a value in the parked task's place. Input: the value, and perhaps the task's name",
    "abort": "End the parked run as failed. Input: nothing, or the task's name",
    "decide": 'Decide about the parked task. Input: {"action": "retry", "skip", "set_output" or "abort", ...}',
    "raise_budget": 'Add to a budget; a run that is parked at it goes on. Input: {"usd": 3}, or tokens, requests, time',
    "pause": "Start no new branch; what runs goes on. Input: nothing",
    "unpause": "Start branches again. Input: nothing",
}
"""What the Web UI and `temporal workflow metadata` tell of each message: the signal and the update of that name."""


class Steering:
    """Handle the signals and updates of a run."""

    _record: RunRecord

    @workflow.signal(description=_DESCRIPTIONS["approve"])
    def approve(self, call: str) -> None:
        """Let the agent make the call of that id. Ignored where no such call is open: it may have been decided."""
        self._record.approvals.decide(ApprovalDecision(id=call, approved=True))

    @workflow.signal(description=_DESCRIPTIONS["approve_always"])
    def approve_always(self, call: str) -> None:
        """Let the agent make the call of that id, and the run's agents each later call of the same tool."""
        self._record.approvals.grant(call)

    @workflow.signal(description=_DESCRIPTIONS["reject"])
    def reject(self, call: str | Rejection) -> None:
        """Refuse the call of that id. With a map of `id` and `reason`, the agent is told why."""
        self._record.approvals.decide(_no(call))

    @workflow.signal(description=_DESCRIPTIONS["retry_call"])
    def retry_call(self, call: str) -> None:
        """Let the agent repeat the call of that id, which was interrupted."""
        self._record.approvals.decide(ApprovalDecision(id=call, approved=True), INTERRUPTED)

    @workflow.signal(description=_DESCRIPTIONS["skip_call"])
    def skip_call(self, call: str) -> None:
        """Tell the agent that the call of that id was interrupted, and do not repeat it."""
        self._record.approvals.decide(ApprovalDecision(id=call, approved=False), INTERRUPTED)

    @workflow.signal(description=_DESCRIPTIONS["retry"])
    def retry(self, task: str | None = None) -> None:
        """Run the failed branches of the parked task again. With a task's name: only if that task is parked."""
        self._decide("retry", task)

    @workflow.signal(description=_DESCRIPTIONS["skip"])
    def skip(self, task: str | None = None) -> None:
        """Go on without what failed of the parked task."""
        self._decide("skip", task)

    @workflow.signal(description=_DESCRIPTIONS["set_output"])
    def set_output(self, value: JsonValue, task: str | None = None) -> None:
        """Go on with this value as the output of the parked task."""
        self._decide("set_output", task, value)

    @workflow.signal(description=_DESCRIPTIONS["abort"])
    def abort(self, task: str | None = None) -> None:
        """End the parked run as failed."""
        self._decide("abort", task)

    @workflow.signal(name="raise_budget", description=_DESCRIPTIONS["raise_budget"])
    def raise_budget_later(self, more: BudgetRaise) -> None:
        """Do as the update `raise_budget` does. Ignored where there is no such budget."""
        self._record.raise_budget(more)

    @workflow.update(description=_DESCRIPTIONS["raise_budget"])
    def raise_budget(self, more: BudgetRaise) -> None:
        """Add to a budget. Refused where there is no such budget, or where the run would stay parked at it."""
        self._record.raise_budget(more)

    @raise_budget.validator
    def _check_raise_budget(self, more: BudgetRaise) -> None:
        self._record.budgets.check(more)

    @workflow.signal(description=_DESCRIPTIONS["pause"])
    def pause(self) -> None:
        """Start no new branch from now on. Those that run go on."""
        self._record.pause(True)

    @workflow.signal(description=_DESCRIPTIONS["unpause"])
    def unpause(self) -> None:
        """Start branches again."""
        self._record.pause(False)

    @workflow.update(name="approve", description=_DESCRIPTIONS["approve"])
    def approve_now(self, call: str) -> None:
        """Do as the signal `approve` does. Refused where no such call is open."""
        self._record.approvals.decide(ApprovalDecision(id=call, approved=True))

    @approve_now.validator
    def _check_approve(self, call: str) -> None:
        self._record.approvals.check(call)

    @workflow.update(name="approve_always", description=_DESCRIPTIONS["approve_always"])
    def approve_always_now(self, call: str) -> None:
        """Do as the signal `approve_always` does. Refused where no such call is open."""
        self._record.approvals.grant(call)

    @approve_always_now.validator
    def _check_approve_always(self, call: str) -> None:
        self._record.approvals.check(call, GRANTED)

    @workflow.update(name="reject", description=_DESCRIPTIONS["reject"])
    def reject_now(self, call: str | Rejection) -> None:
        """Do as the signal `reject` does. Refused where no such call is open."""
        self._record.approvals.decide(_no(call))

    @reject_now.validator
    def _check_reject(self, call: str | Rejection) -> None:
        self._record.approvals.check(_no(call).id)

    @workflow.update(name="retry_call", description=_DESCRIPTIONS["retry_call"])
    def retry_call_now(self, call: str) -> None:
        """Do as the signal `retry_call` does. Refused where no such call was interrupted."""
        self._record.approvals.decide(ApprovalDecision(id=call, approved=True), INTERRUPTED)

    @retry_call_now.validator
    def _check_retry_call(self, call: str) -> None:
        self._record.approvals.check(call, INTERRUPTED)

    @workflow.update(name="skip_call", description=_DESCRIPTIONS["skip_call"])
    def skip_call_now(self, call: str) -> None:
        """Do as the signal `skip_call` does. Refused where no such call was interrupted."""
        self._record.approvals.decide(ApprovalDecision(id=call, approved=False), INTERRUPTED)

    @skip_call_now.validator
    def _check_skip_call(self, call: str) -> None:
        self._record.approvals.check(call, INTERRUPTED)

    @workflow.signal(name="decide", description=_DESCRIPTIONS["decide"])
    def decide_later(self, decision: Decision) -> None:
        """Do as the update `decide` does. Ignored where the run is not parked."""
        self._record.decide(decision)

    @workflow.update(description=_DESCRIPTIONS["decide"])
    def decide(self, decision: Decision) -> None:
        """Decide about the parked task: `retry`, `skip`, `set_output` or `abort`. Refused where it is not parked."""
        self._record.decide(decision)

    @decide.validator
    def _check_decide(self, decision: Decision) -> None:
        self._record.parking.check(decision)

    @workflow.update(name="retry", description=_DESCRIPTIONS["retry"])
    def retry_now(self, task: str | None = None) -> None:
        """Do as the signal `retry` does. Refused where the run is not parked."""
        self._decide("retry", task)

    @retry_now.validator
    def _check_retry(self, task: str | None = None) -> None:
        self._record.parking.check(Decision(action="retry", task=task))

    @workflow.update(name="skip", description=_DESCRIPTIONS["skip"])
    def skip_now(self, task: str | None = None) -> None:
        """Do as the signal `skip` does. Refused where the run is not parked."""
        self._decide("skip", task)

    @skip_now.validator
    def _check_skip(self, task: str | None = None) -> None:
        self._record.parking.check(Decision(action="skip", task=task))

    @workflow.update(name="set_output", description=_DESCRIPTIONS["set_output"])
    def set_output_now(self, value: JsonValue, task: str | None = None) -> None:
        """Do as the signal `set_output` does. Refused where the run is not parked."""
        self._decide("set_output", task, value)

    @set_output_now.validator
    def _check_set_output(self, value: JsonValue, task: str | None = None) -> None:
        self._record.parking.check(Decision(action="set_output", task=task, value=value))

    @workflow.update(name="abort", description=_DESCRIPTIONS["abort"])
    def abort_now(self, task: str | None = None) -> None:
        """Do as the signal `abort` does. Refused where the run is not parked."""
        self._decide("abort", task)

    @abort_now.validator
    def _check_abort(self, task: str | None = None) -> None:
        self._record.parking.check(Decision(action="abort", task=task))

    @workflow.update(name="pause", description=_DESCRIPTIONS["pause"])
    def pause_now(self) -> None:
        """Do as the signal `pause` does."""
        self._record.pause(True)

    @workflow.update(name="unpause", description=_DESCRIPTIONS["unpause"])
    def unpause_now(self) -> None:
        """Do as the signal `unpause` does."""
        self._record.pause(False)

    def _decide(self, action: Action, task: str | None, value: JsonValue = None) -> None:
        self._record.decide(Decision(action=action, task=task, value=value))


def _no(call: str | Rejection) -> ApprovalDecision:
    given = Rejection(id=call) if isinstance(call, str) else call
    return ApprovalDecision(id=given.id, approved=False, reason=given.reason)
