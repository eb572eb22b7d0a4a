"""The legs of one branch: each is one deployment, and is followed by another one where it was left off.

It is left off where a call waits for a person, where the endpoint asks to wait, and where its worker is told to stop.
What it has paid for goes along: in its journal (docs/decisions/0006), or as its state.
"""

from datetime import timedelta

from temporalio import workflow

from grammar.messages.activity_requests import AgentRequest, ShellRequest
from grammar.messages.activity_results import BranchResult, Leg
from grammar.messages.reports import Approval, ApprovalDecision, Failure
from grammar.model_access import rate_limit
from workflows import deployment, summary
from workflows.failures import BranchFailed
from workflows.records.branch_record import BranchRecord
from workflows.records.task_record import TaskRecord
from workflows.run_context import RunContext
from workflows.window import Slots


class Legs:
    """Run one branch, leg after leg, until it has its result."""

    def __init__(self, context: RunContext, record: TaskRecord, branch: BranchRecord) -> None:
        self._context = context
        self._record = record
        self._task = record.task
        self._branch = branch
        self._deadline = workflow.now() + timedelta(seconds=self._task.schedule_to_close_timeout)
        self._fruitless_attempts = 0
        self._progress = record.progress

    async def run(self, request: AgentRequest | ShellRequest, slots: Slots) -> BranchResult:
        """Return what the branch gives in the end. Raises ActivityError, BranchFailed, StillWaiting."""
        if (waiting := self._branch.waiting) and isinstance(request, AgentRequest):
            activity = self._record.activity_id(self._branch.index, self._branch.leg - 1)
            request = await self._next_request(request, activity, waiting.leg, slots)
            self._branch.resume()
        while True:
            activity = self._record.activity_id(self._branch.index, self._branch.leg)
            result = await self._deploy(request, activity)
            if result.leg is None or isinstance(request, ShellRequest):
                return result
            self._record.end_leg(self._branch, result, result.leg)
            request = await self._next_request(request, activity, result.leg, slots)
            self._branch.resume()
            self._context.publish_overview()

    async def _deploy(self, request: AgentRequest | ShellRequest, activity: str) -> BranchResult:
        line = summary.of_leg(self._record, self._branch.index, self._branch.leg, self._context.bundle.config)
        left = self._deadline - workflow.now()
        result = await deployment.deploy(self._task, request, activity, line, left)
        self._context.secrets.update(result.secrets)
        return result

    async def _next_request(self, request: AgentRequest, activity: str, leg: Leg, slots: Slots) -> AgentRequest:
        """Return the request of the leg after this one, as soon as it may start. `activity`: the id of this one's."""
        changes: dict[str, object] = {"journal": request.journal or activity, "recorded": leg.recorded}
        if leg.reason == "approval":
            decisions = await self._ask(leg, slots)
            # The state holds all that came before: the next leg begins a journal of its own.
            changes = {"leg": leg, "verdicts": decisions, "journal": "", "recorded": [], "outcomes": {}}
        elif leg.reason == "unknown_outcome":
            decisions = await self._ask(leg, slots)
            outcomes = {int(decision.id): decision.approved for decision in decisions}
            changes["outcomes"] = {**request.outcomes, **outcomes}
        elif leg.reason == "rate_limited":
            await self._back_off(leg)
        return request.model_copy(update={**changes, "secrets": sorted(self._context.secrets)})

    async def _ask(self, leg: Leg, slots: Slots) -> list[ApprovalDecision]:
        """Wait for a person, however long: the branch's deadline moves on meanwhile."""
        since = workflow.now()
        approvals = self._approvals(leg)
        self._branch.wait(leg, approvals)
        self._context.publish_overview()
        async with slots.released():
            decisions = await self._context.record.approvals.wait_for_decisions(
                approvals, leg, leave=self._continue_as_new_is_due
            )
        self._deadline += workflow.now() - since
        self._context.publish_overview()
        return decisions

    def _approvals(self, leg: Leg) -> list[Approval]:
        """Return the leg's open calls: those of an earlier history, where the branch has waited since then."""
        if self._branch.waiting:
            return self._branch.waiting.asked
        index = self._branch.index
        activity, label = self._record.activity_id(index), self._record.label(index)
        return self._context.record.approvals.ask(leg, activity, self._record.name, label)

    def _continue_as_new_is_due(self) -> bool:
        """Return whether the history has grown long, and nothing but people's answers holds up a new one."""
        due = workflow.info().is_continue_as_new_suggested() and self._record.only_waiting
        return due and workflow.patched("carry-approvals")

    async def _back_off(self, leg: Leg) -> None:
        """Wait as long as the endpoint asks, else 5, 10, 20 ... 120 s (specification section 7).

        Attempts are used up only while no branch of the task advances. Raises BranchFailed where none is left, or where
        the wait would go beyond the branch's deadline.
        """
        has_advanced = self._record.progress > self._progress
        self._fruitless_attempts = 1 if has_advanced else self._fruitless_attempts + 1
        self._progress = self._record.progress
        if self._fruitless_attempts >= deployment.retry_policy(self._task).maximum_attempts:
            raise self._failed("RateLimited", leg.message)
        seconds = rate_limit.delay(leg.delay, self._fruitless_attempts)
        until = workflow.now() + timedelta(seconds=seconds)
        if until >= self._deadline:
            raise self._failed("Timeout", f"not done within schedule_to_close_timeout: {leg.message}")
        self._record.rate_limit(self._branch, until, leg.message)
        self._context.publish_overview()
        await workflow.sleep(seconds, summary=summary.of_rate_limit(self._record, self._branch.index))

    def _failed(self, kind: str, message: str) -> BranchFailed:
        return BranchFailed(Failure(task=self._record.name, branch=self._branch.index, type=kind, message=message))
