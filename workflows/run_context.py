"""What the tasks of a run share, and what the run does between them."""

from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, TypedSearchAttributes

from grammar.documents.budget import OnBudget
from grammar.documents.models import Task
from grammar.documents.values import ToolResult
from grammar.messages.activity_requests import TemplateContext
from grammar.messages.budgets import BudgetOf
from grammar.messages.continue_as_new import CarriedRun, RunInput
from grammar.messages.names import OVERVIEW_MEMO, SETUP_MEMO, STATUS_ATTRIBUTE
from grammar.messages.reports import RunOverview
from workflows import summary
from workflows.records import carry_over, task_report
from workflows.records.carry_over import CarryOver
from workflows.records.cooldowns import Cooldowns
from workflows.records.run_record import RunRecord

_STATUS = SearchAttributeKey.for_keyword(STATUS_ATTRIBUTE)


class RunContext:
    """Hold what the tasks of a run share: its bundle, its record, the results that are carried over, and secrets.

    `cooldowns`: the models that are not asked for a while. `secrets`: the names of the variables that `env()` has
    handed out so far. They grow. `folder`: the one that the run was started in; empty: not known.
    """

    def __init__(self, run_input: RunInput) -> None:
        carried = run_input.carried
        room = len(run_input.tasks) + carry_over.ROOM
        self.bundle = run_input.model_copy(update={"carried": None})
        self.record = RunRecord(self.bundle, workflow.now, carried, self._publish_pause)
        self.carry_over = CarryOver(carried.stack if carried else (), room)
        self.secrets = set(carried.secrets) if carried else set()
        self.cooldowns = Cooldowns(workflow.now, carried.cooldowns if carried else ())
        self._overview = carried.standing if carried else RunOverview()
        # Runs of before do not record it. The memo goes along into each new history.
        self.folder: str = workflow.memo_value(SETUP_MEMO, {}).get("folder", "")
        self._key = carried.key if carried else workflow.uuid4().hex[:12]

    def template_context(self, task: Task) -> TemplateContext:
        """Return what the task's templates may read on the worker, besides values of other tasks."""
        return TemplateContext(globals=self.bundle.globals, env=task.env, key=self._key)

    def on_budget(self, of: BudgetOf, task: Task) -> OnBudget:
        """Return what happens where that budget is used up. `task`: the one that runs."""
        return self.bundle.on_budget if of == "run" else task.on_budget

    async def wait_until_unpaused(self) -> None:
        """Wait as long as the run is paused."""
        if self.record.paused:
            self.publish_overview()
            await workflow.wait_condition(lambda: not self.record.paused)
            self.publish_overview()

    def publish_overview(self) -> None:
        """Set the details that the Web UI shows; set memo and search attribute too, if they changed."""
        overview = self.record.overview()
        workflow.set_current_details(summary.of_run(self.record, overview.state))
        if overview == self._overview:
            return
        # Both only where the starter set them: what a namespace does not know would fail the workflow task.
        if workflow.memo_value(OVERVIEW_MEMO, None) is not None:
            workflow.upsert_memo({OVERVIEW_MEMO: overview})
        if overview.state != self._overview.state and _STATUS in _keys(workflow.info().typed_search_attributes):
            workflow.upsert_search_attributes([_STATUS.value_set(overview.state)])
        self._overview = overview

    def _publish_pause(self) -> None:
        """Tell of it at once. Earlier versions told of a pause when a branch was about to start."""
        if workflow.patched("pause-told-at-once"):
            self.publish_overview()

    def continue_as_new_if_due(self, index: int, source: ToolResult | None = None) -> None:
        """Continue in a new history, from the task of that index on, where this one has grown long.

        `source`: what the task repeats over, if it has begun. Raises ContinueAsNewError.
        """
        if not workflow.info().is_continue_as_new_suggested():
            return
        tasks, events, count = self.record.carried()
        carried = CarriedRun(
            index=index,
            tasks=tasks,
            source=source,
            stack=self.carry_over.changes,
            outputs=self.record.outputs.values,
            stored=self.record.outputs.stored,
            secrets=sorted(self.secrets),
            key=self._key,
            entries=events,
            count=count,
            paused=self.record.paused,
            granted=sorted(self.record.approvals.granted),
            cooldowns=self.cooldowns.carried(),
            standing=self._overview,
            budget=self.record.budgets.carried,
        )
        workflow.continue_as_new(self.bundle.model_copy(update={"carried": carried}))

    def carried_before(self, index: int) -> CarriedRun:
        """Return what the tasks before the one of that index gave: what a run of an edited file takes over."""
        outputs = self.record.outputs.only([task.id for task in self.bundle.tasks[:index] if task.id])
        return CarriedRun(
            index=index,
            tasks=[task_report.carried(task) for task in self.record.tasks[:index]],
            stack=self.carry_over.before(index),
            outputs=outputs.values,
            stored=outputs.stored,
            secrets=sorted(self.secrets),
            key=self._key,
        )


def _keys(attributes: TypedSearchAttributes) -> set[SearchAttributeKey[Any]]:
    return {pair.key for pair in attributes}
