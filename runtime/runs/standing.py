"""How runs stand, as far as the server knows without a worker that answers."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError
from temporalio.api.common.v1 import WorkflowExecution as ApiExecution
from temporalio.api.workflowservice.v1 import GetWorkflowExecutionHistoryReverseRequest
from temporalio.client import Client, WorkflowExecution
from temporalio.service import RPCError

from grammar.errors import MissingKey, NotSigned
from grammar.messages.names import OVERVIEW_MEMO
from grammar.messages.reports import Failure, RunLine, RunOverview, RunReport, RunStatus, TaskReport
from grammar.messages.run_bundle import Bundle
from grammar.messages.run_status import overview_with_status, run_status
from runtime.runs.execution_status import name_of

# A worker of a run's own takes some time to load.
GRACE = timedelta(seconds=10)
REMEMBERED = timedelta(seconds=5)
IsServed = Callable[[str], Awaitable[bool]]
"""Tells whether a worker does the work of a task queue."""


def remembered(is_served: IsServed) -> IsServed:
    """Return it with a memory of a few seconds: many runs have one task queue, and a follower asks often."""
    known: dict[str, tuple[datetime, bool]] = {}

    async def answer(task_queue: str) -> bool:
        now = datetime.now(UTC)
        if task_queue not in known or now - known[task_queue][0] > REMEMBERED:
            known[task_queue] = (now, await is_served(task_queue))
        return known[task_queue][1]

    return answer


async def overview(run: WorkflowExecution) -> RunOverview:
    """Return the overview that the run keeps in its memo; an empty one for a run of another version."""
    try:
        return RunOverview.model_validate(await run.memo_value(OVERVIEW_MEMO, {}))
    except ValidationError:
        return RunOverview()


async def status(run: WorkflowExecution, is_served: IsServed | None = None) -> RunStatus:
    """Return how the run stands. `is_served` None: that is not known, and not asked."""
    execution, told = name_of(run.status), (await overview(run)).state
    known = run_status(execution, told)
    if is_served is None or run_status(execution, told, is_served=False) == known or _is_young(run):
        return known
    return run_status(execution, told, await is_served(run.task_queue))


async def is_held(client: Client, run_id: str) -> bool:
    """Return whether Temporal itself has paused the run: then it hears nothing. Raises RPCError."""
    return name_of((await client.get_workflow_handle(run_id).describe()).status) == "paused"


async def line(client: Client, run: WorkflowExecution, is_served: IsServed | None = None) -> RunLine:
    """Return the run's line in a list of runs. `is_served`: as `status` has it.

    Of one that is encrypted with a key that is missing here, it tells that, and what the server knows.
    """
    try:
        return await _read_line(client, run, is_served)
    except MissingKey as error:
        found = run_status(name_of(run.status), "")
        standing = RunOverview(state=found, waits=[str(error)])
        return RunLine(
            id=run.id, flow="", status=found, standing=standing, started=run.start_time, ended=run.close_time
        )


async def _read_line(client: Client, run: WorkflowExecution, is_served: IsServed | None) -> RunLine:
    found = await status(run, is_served)
    return RunLine(
        id=run.id,
        flow=str(await run.memo_value("flow", "")),
        status=found,
        standing=overview_with_status(await overview(run), found),
        since=await _last_event(client, run) if found == "interrupted" else None,
        started=run.start_time,
        ended=run.close_time,
        dry_run=bool(await run.memo_value("dry_run", False)),
    )


def refused(bundle: Bundle, why: str) -> RunReport:
    """Return the report of a run that its worker has refused: it did nothing, and so has none of its own."""
    task = bundle.tasks[0].name or ""
    failure = Failure(task=task, type=NotSigned.__name__, message=why)
    tasks = [TaskReport(name=task, status="failed", failures=[failure])]
    return RunReport(name=bundle.name, bundle=bundle.hash, status="failed", tasks=tasks, failure=failure)


def _is_young(run: WorkflowExecution) -> bool:
    return datetime.now(UTC) - run.start_time < GRACE


async def _last_event(client: Client, run: WorkflowExecution) -> datetime | None:
    """Return when anything was last recorded of the run; None where the server does not tell."""
    request = GetWorkflowExecutionHistoryReverseRequest(
        namespace=client.namespace,
        execution=ApiExecution(workflow_id=run.id, run_id=run.run_id),
        maximum_page_size=1,
    )
    try:
        events = (await client.workflow_service.get_workflow_execution_history_reverse(request)).history.events
    except RPCError:
        return None
    return events[0].event_time.ToDatetime(tzinfo=UTC) if events else None
