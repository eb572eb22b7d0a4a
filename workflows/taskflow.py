"""A taskflow as a Temporal workflow: its tasks in order, and what can be asked of it."""

from temporalio import workflow
from temporalio.exceptions import ApplicationError, is_cancelled_exception

from grammar.messages.continue_as_new import CarriedRun, RunInput
from grammar.messages.events import RunEvents
from grammar.messages.names import WORKFLOW
from grammar.messages.reports import Manifest, RunReport
from grammar.messages.run_status import spelled
from workflows import worker_log
from workflows.failures import RunFailed
from workflows.run_context import RunContext
from workflows.steering import Steering
from workflows.task_run import TaskRun


@workflow.defn(name=WORKFLOW)
class TaskflowWorkflow(Steering):
    """Run a bundle. Completes with a RunReport, or fails with one in the error's details."""

    @workflow.init
    def __init__(self, bundle: RunInput) -> None:
        self._context = RunContext(bundle)
        self._record = self._context.record

    @workflow.run
    async def run(self, bundle: RunInput) -> RunReport:
        """Run the tasks in order. A failed optional task does not stop the run (specification section 7)."""
        worker_log.say(f"goes on, {bundle.source}" if bundle.carried else f"started, {bundle.source}")
        try:
            await self._run_tasks(bundle)
        except RunFailed as failed:
            failure, report = failed.failure, self._record.fail(failed.failure)
            self._context.publish_overview()
            worker_log.say(f"failed: {failure.type}, in {failure.task}")
            raise ApplicationError(failure.message, report, type=failure.type, non_retryable=True) from None
        except BaseException as error:
            if is_cancelled_exception(error):
                self._cancel()
            raise
        report = self._record.complete()
        self._context.publish_overview()
        worker_log.say(spelled(report.status))
        return report

    async def _run_tasks(self, bundle: RunInput) -> None:
        """Run each task that has not ended in an earlier history."""
        first, source = (bundle.carried.index, bundle.carried.source) if bundle.carried else (0, None)
        for index, task in list(enumerate(bundle.tasks))[first:]:
            self._context.continue_as_new_if_due(index)
            await TaskRun(self._context, index, task, source).run()

    def _cancel(self) -> None:
        self._record.cancel()
        # Also the run's leaving the worker's memory ends its tasks; that is no news of it.
        if workflow.cancellation_reason() is not None and workflow.patched("cancelled-status"):
            self._context.publish_overview()
            worker_log.say("cancelled")

    @workflow.query(description="How the run stands: each task, what failed, what it waits for")
    def status(self) -> RunReport:
        """Return how the run stands."""
        return self._record.report()

    @workflow.query(description="The report, and each branch with its status, model, tokens and error")
    def manifest(self) -> Manifest:
        """Return the report, and for each branch its status, model, tokens and error."""
        return Manifest(report=self._record.report(), branches=self._record.branches())

    @workflow.query(description="What happened since, for a follower. Input: the number of the first event to tell")
    def journal(self, after: int = 0) -> RunEvents:
        """Return what happened since, for a follower: the events numbered from `after` on, the newest 500 at most."""
        return self._record.events(after)

    @workflow.query(description="What the tasks before one gave. Input: that task's index, from 0")
    def given_before(self, task: int) -> CarriedRun:
        """Return what the tasks before the one of that index gave: what a run of an edited file takes over."""
        return self._context.carried_before(task)
