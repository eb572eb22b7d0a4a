"""One branch, deployed, and deployed again wherever it was left off for a reason that is no failure.

An agent run is left off where a call waits for a person, where the endpoint asks to wait, and where its worker is told
to stop. What it has paid for goes along: in its journal (docs/decisions/0006), or as its state.
"""

from collections.abc import Callable
from datetime import timedelta

from temporalio import workflow

from grammar.documents.models import Task
from grammar.messages import rate_limit
from grammar.messages.activity_requests import AgentRequest, ShellRequest
from grammar.messages.activity_results import Branch, BranchResult, Leg
from grammar.messages.reports import ApprovalDecision, Failure
from workflows import deployment, summary
from workflows.approvals import Approvals
from workflows.failures import BranchFailed
from workflows.task_record import TaskRecord
from workflows.window import Slots


class Legs:
    """The legs of one branch. `secrets`: the run's names of variables, which grow. `tell`: there is news."""

    def __init__(
        self,
        task: Task,
        branch: Branch,
        record: TaskRecord,
        approvals: Approvals,
        secrets: set[str],
        tell: Callable[[], None],
    ) -> None:
        self._task = task
        self._branch = branch
        self._record = record
        self._approvals = approvals
        self._secrets = secrets
        self._tell = tell
        self._deadline = workflow.now() + timedelta(seconds=task.schedule_to_close_timeout)
        self._fruitless = 0
        self._advanced = record.advanced

    async def run(
        self, request: AgentRequest | ShellRequest, places: Slots, describe: Callable[[int], str]
    ) -> BranchResult:
        """What the branch gives in the end. Raises ActivityError, BranchFailed, LeftWaiting.

        `describe`: a leg for the Web UI.
        """
        if waiting := self._record.waiting(self._branch):
            activity = self._record.activity_id(self._branch, self._record.leg(self._branch) - 1)
            request = await self._go_on(request, activity, waiting.leg, places)  # type: ignore[arg-type]
            self._record.go_on(self._branch)
        while True:
            leg = self._record.leg(self._branch)
            activity = self._record.activity_id(self._branch, leg)
            left = self._deadline - workflow.now()
            deployed = await deployment.deploy(self._task, request, activity, describe(leg), left)
            self._secrets.update(deployed.secrets)
            if deployed.leg is None or isinstance(request, ShellRequest):
                return deployed
            self._record.leave_off(self._branch, deployed, deployed.leg)
            request = await self._go_on(request, activity, deployed.leg, places)
            self._record.go_on(self._branch)
            self._tell()

    async def _go_on(self, request: AgentRequest, activity: str, leg: Leg, places: Slots) -> AgentRequest:
        """The next leg's request, as soon as it may start."""
        changes: dict[str, object] = {"journal": request.journal or activity, "recorded": leg.recorded}
        if leg.reason == "approval":
            verdicts = await self._ask(leg, places)
            # The state holds all that came before: the next leg begins a journal of its own.
            changes = {"leg": leg, "verdicts": verdicts, "journal": "", "recorded": [], "outcomes": {}}
        elif leg.reason == "unknown_outcome":
            verdicts = await self._ask(leg, places)
            changes["outcomes"] = {**request.outcomes, **{int(one.id): one.approved for one in verdicts}}
        elif leg.reason == "rate_limited":
            await self._rest(leg)
        return request.model_copy(update={**changes, "secrets": sorted(self._secrets)})

    async def _ask(self, leg: Leg, places: Slots) -> list[ApprovalDecision]:
        """Wait for a person, however long: the task's deadline moves on meanwhile."""
        since = workflow.now()
        where = (self._record.activity_id(self._branch), self._record.name, self._record.label(self._branch))
        earlier = self._record.waiting(self._branch)
        asked = earlier.asked if earlier else self._approvals.ask(leg, *where)
        self._record.wait(self._branch, leg, asked)
        self._tell()
        async with places.left():
            verdicts = await self._approvals.answers(asked, leg, self._may_leave)
        self._deadline += workflow.now() - since
        self._tell()
        return verdicts

    def _may_leave(self) -> bool:
        """Whether the history has grown long, and nothing but people's answers holds up a new one."""
        due = workflow.info().is_continue_as_new_suggested() and self._record.only_waiting
        return due and workflow.patched("carry-approvals")

    async def _rest(self, leg: Leg) -> None:
        """Wait as long as the endpoint asks, else 5, 10, 20 ... 120 s (section 7).

        Attempts are used up only while no branch of the task advances.
        """
        self._fruitless = 1 if self._record.advanced > self._advanced else self._fruitless + 1
        self._advanced = self._record.advanced
        if self._fruitless >= deployment.retry_policy(self._task).maximum_attempts:
            raise self._failed("RateLimited", leg.message)
        seconds = rate_limit.delay(leg.delay, self._fruitless)
        if workflow.now() + timedelta(seconds=seconds) >= self._deadline:
            raise self._failed("Timeout", f"not done within schedule_to_close_timeout: {leg.message}")
        self._record.rest(self._branch, workflow.now() + timedelta(seconds=seconds), leg.message)
        self._tell()
        await workflow.sleep(seconds, summary=summary.of_rest(self._record.name, self._record.label(self._branch)))

    def _failed(self, kind: str, message: str) -> BranchFailed:
        return BranchFailed(Failure(task=self._record.name, branch=self._branch.index, type=kind, message=message))
