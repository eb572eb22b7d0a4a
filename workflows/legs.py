"""The legs of one branch: each is one deployment, and is followed by another one where it was left off.

It is left off where a call waits for a person, where the endpoint asks to wait, where its worker is told to stop, where
it has used up what it may spend; and, where the branch has a fallback, when the endpoint fails (docs/decisions/0027).
What it has paid for goes along: in its journal (docs/decisions/0006), or as its state.
"""

from datetime import datetime, timedelta

from temporalio import workflow
from temporalio.exceptions import ActivityError, is_cancelled_exception

from grammar.failure_policy import falls_back
from grammar.messages.activity_requests import AgentRequest, ShellRequest
from grammar.messages.activity_results import BranchResult, Leg
from grammar.messages.reports import Approval, ApprovalDecision, Failure
from grammar.model_access import rate_limit
from workflows import deployment, failures, summary
from workflows.allowances import Allowances
from workflows.failures import BranchFailed
from workflows.fallbacks import BranchModels
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
        self._allowances = Allowances(context, record, branch)
        self._deadline = workflow.now() + timedelta(seconds=self._task.schedule_to_close_timeout)
        self._models = BranchModels(self._task, context.bundle.config, context.cooldowns, branch)
        self._fruitless_attempts = 0
        self._fruitless_since = workflow.now()
        self._is_given_up = False
        self._progress = record.progress

    async def run(self, request: AgentRequest | ShellRequest, slots: Slots) -> BranchResult:
        """Return what the branch gives in the end. Raises ActivityError, BranchFailed, BudgetUsedUp, StillWaiting."""
        with self._allowances.working():
            return await self._run(request, slots)

    async def _run(self, request: AgentRequest | ShellRequest, slots: Slots) -> BranchResult:
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
        if isinstance(request, AgentRequest):
            await self._wait_for_share(activity)
        self._models.choose()
        request = self._to_its_model(request)
        line = summary.of_leg(self._record, self._branch, self._context.bundle.config)
        left = self._deadline - workflow.now()
        try:
            result = await deployment.deploy(self._task, request, activity, line, left)
        except ActivityError as error:
            self._models.note(None)
            if isinstance(request, AgentRequest) and not is_cancelled_exception(error):
                await self._allowances.count_failure(activity, request, error)
            return self._left_off(error)
        self._models.note(result)
        self._allowances.count(activity, result.usage, result.model)
        self._context.secrets.update(result.secrets)
        return result

    async def _wait_for_share(self, activity: str) -> None:
        """Wait until the leg may spend, however long: the branch's deadline moves on meanwhile. Raises BudgetUsedUp."""
        since = workflow.now()
        await self._allowances.reserve(activity)
        self._deadline += workflow.now() - since

    def _to_its_model(self, request: AgentRequest | ShellRequest) -> AgentRequest | ShellRequest:
        if isinstance(request, ShellRequest):
            return request
        branch, bundle = self._branch.branch, self._context.bundle
        if self._models.are_several:
            number = self._branch.model
            request = deployment.with_model(request, self._task, self._record.index, branch, bundle, number)
        return self._allowances.limited(request)

    def _left_off(self, error: ActivityError) -> BranchResult:
        """Return the leg of an activity whose attempts are used up, where another model goes on. Else raises the error.

        So it is in a dry run, and where a worker of an earlier version served the branch.
        """
        failure = failures.of_activity(self._record.name, self._branch.index, error)
        if not (self._models.has_next and falls_back(failure.type)):
            raise error
        details = failures.details(error)
        self._is_given_up = True
        leg = Leg(reason="unavailable", error=failure.type, message=failure.message)
        attempts = details.attempts or 1
        return BranchResult(leg=leg, usage=details.usage, attempts=attempts, said=details.said, first=details.first)

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
        elif leg.reason in ("rate_limited", "unavailable"):
            await self._back_off(leg)
        return request.model_copy(update={**changes, "secrets": sorted(self._context.secrets)})

    async def _ask(self, leg: Leg, slots: Slots) -> list[ApprovalDecision]:
        """Wait for a person, however long: the branch's deadline moves on meanwhile."""
        since = workflow.now()
        approvals = self._approvals(leg)
        self._branch.wait(leg, approvals)
        self._context.publish_overview()
        with self._allowances.resting():
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
        """Wait as long as the endpoint asks, else 5, 10, 20 ... 120 s, or as `retry` says (specification section 7).

        Attempts are used up only while no branch of the task advances. Where none is left, or the wait would go beyond
        the branch's deadline, the next model goes on; without one, that raises BranchFailed.
        """
        kind = leg.error or "RateLimited"
        self._count_attempt()
        if not self._models.has_next and self._are_attempts_used_up:
            raise self._failed("RateLimited", leg.message)
        seconds = self._pause(kind, leg.delay)
        until = workflow.now() + timedelta(seconds=seconds)
        if self._models.has_next and self._gives_up(kind, until):
            self._go_on(kind, leg)
            return
        if until >= self._deadline:
            raise self._failed("Timeout", f"not done within schedule_to_close_timeout: {leg.message}")
        self._record.rate_limit(self._branch, until, kind, leg.message)
        self._context.publish_overview()
        await workflow.sleep(seconds, summary=summary.of_rate_limit(self._record, self._branch.index))

    def _count_attempt(self) -> None:
        progress = self._progress_of_all()
        has_advanced = progress > self._progress
        self._fruitless_attempts = 1 if has_advanced else self._fruitless_attempts + 1
        if self._fruitless_attempts == 1:
            self._fruitless_since = workflow.now()
        self._progress = progress

    def _progress_of_all(self) -> int:
        """Return how far the branches are whose endpoint it is: with fallbacks, those that ask the same model."""
        return self._models.answers if self._models.are_several else self._record.progress

    @property
    def _are_attempts_used_up(self) -> bool:
        return self._fruitless_attempts >= deployment.retry_policy(self._task).maximum_attempts

    def _pause(self, kind: str, asked: float | None) -> float:
        if asked is None and kind != "RateLimited":
            return deployment.pause(self._task, self._fruitless_attempts)
        return rate_limit.delay(asked, self._fruitless_attempts)

    def _gives_up(self, kind: str, until: datetime) -> bool:
        is_late = until >= self._deadline or self._is_given_up
        return is_late or self._models.is_given_up(kind, self._fruitless_attempts, self._fruitless_since, until)

    def _go_on(self, kind: str, leg: Leg) -> None:
        """Have the next model go on at once."""
        failed = self._models.go_on(leg.delay)
        self._record.fall_back(self._branch, failed, self._models.name, kind, leg.message)
        self._fruitless_attempts, self._is_given_up = 0, False
        self._progress = self._progress_of_all()

    def _failed(self, kind: str, message: str) -> BranchFailed:
        return BranchFailed(Failure(task=self._record.name, branch=self._branch.index, type=kind, message=message))
