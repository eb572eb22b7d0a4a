"""Runs as a client sees them: started once, found again by id, queried."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import TypeVar

from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowFailureError,
    WorkflowHandle,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.common import Priority, WorkflowIDConflictPolicy, WorkflowIDReusePolicy
from temporalio.exceptions import ApplicationError, WorkflowAlreadyStartedError
from temporalio.service import RPCError, RPCStatusCode

from grammar.errors import BUG, NotSigned, NotWaiting, RunConflict
from grammar.messages.continue_as_new import CarriedRun, RunInput
from grammar.messages.events import RunEvents
from grammar.messages.names import OVERVIEW_MEMO, SETUP_MEMO, WORKFLOW, fairness_key
from grammar.messages.reports import Manifest, RunOverview, RunReport, RunStatus
from grammar.messages.run_bundle import Bundle
from grammar.messages.run_status import manifest_with_status, report_with_status, spelled
from grammar.program import program
from runtime import flow_names, this_process
from runtime.runs import finding, search_attributes, standing
from runtime.runs.execution_status import is_open
from runtime.runs.executions import unless_forgotten
from runtime.runs.standing import IsServed
from runtime.storage.too_large import too_large

POLL = 0.5
QUERY_TIMEOUT = 5.0
PATIENCE = 60.0
LATER = 2**53
T = TypeVar("T")
Handle = WorkflowHandle[object, RunReport]


def new_id(flow: str) -> str:
    """Return an id that says which flow, and when it was started."""
    return f"{flow}-{datetime.now():%Y%m%d-%H%M%S}-{uuid.uuid4().hex[:4]}"


async def start(
    client: Client, bundle: Bundle, run_id: str, task_queue: str, carried: CarriedRun | None = None
) -> Handle:
    """Start the run, or join an open one of that id and the same bundle. Raises RunConflict, NoStorage.

    `carried`: what it takes over from an earlier run; None: it starts from nothing.
    """
    try:
        return await client.start_workflow(
            WORKFLOW,
            RunInput(**dict(bundle), carried=carried) if carried else bundle,
            id=run_id,
            task_queue=task_queue,
            result_type=RunReport,
            id_conflict_policy=WorkflowIDConflictPolicy.FAIL,
            id_reuse_policy=WorkflowIDReusePolicy.REJECT_DUPLICATE,
            static_summary=summary(bundle),
            static_details=details(bundle),
            memo=memo(bundle),
            search_attributes=await search_attributes.of_run(client, bundle),
            priority=priority(bundle, run_id),
        )
    except WorkflowAlreadyStartedError:
        return await _join(client, bundle, run_id)
    except RPCError as error:
        raise too_large(error) or error from None


def memo(bundle: Bundle) -> dict[str, object]:
    """Return what can be read of a run without a worker. The workflow keeps its RunOverview there.

    What this process runs with goes along: the run's scripts run in its folder.
    """
    fields: dict[str, object] = {"bundle": bundle.hash, "flow": bundle.source, OVERVIEW_MEMO: RunOverview()}
    fields[SETUP_MEMO] = this_process.setup()
    return fields | ({"dry_run": True} if bundle.script else {})


def priority(bundle: Bundle, run_id: str) -> Priority:
    """Return whose tasks Temporal gives to workers first: by priority, and then to each run in turn.

    `run_id`: the run's, or its schedule's. The activities of a run inherit it.
    """
    return Priority(priority_key=bundle.priority, fairness_key=fairness_key(run_id))


def summary(bundle: Bundle) -> str:
    """Return the run in a few words, for the Web UI; at most 200 characters."""
    name = flow_names.shown(bundle)
    return (f"dry run of {name}" if bundle.script else f"taskflow {name}")[:200]


def details(bundle: Bundle) -> str:
    """Return the run's tasks as Markdown, for the Web UI."""
    tasks = "\n".join(f"{number}. {task.name}" for number, task in enumerate(bundle.tasks, 1))
    return f"**{bundle.source}**, bundle `{bundle.hash[:12]}`\n\n{tasks}"


def handle(client: Client, run_id: str) -> Handle:
    """Return a handle of the run of that id, whether there is one or not."""
    return client.get_workflow_handle(run_id, result_type=RunReport)


async def report(client: Client, run_id: str, is_served: IsServed | None = None) -> RunReport:
    """Return the run's state. Raises NotWaiting where there is no such run, or no worker answers.

    One that is paused by Temporal answers nothing: then only its status is known.
    """
    try:
        told = await _query(client, run_id, "status", RunReport)
    except WorkflowQueryRejectedError:
        bundle = await finding.bundle_of(client, run_id)
        told = RunReport(name=bundle.name, bundle=bundle.hash)
    return report_with_status(told, await status(client, run_id, is_served))


async def manifest(client: Client, run_id: str, is_served: IsServed | None = None) -> Manifest:
    """Return every branch of the run. Raises NotWaiting where there is no such run, or it answers nothing."""
    try:
        told = await _query(client, run_id, "manifest", Manifest)
    except WorkflowQueryRejectedError:
        raise NotWaiting(f"run {run_id} is paused by Temporal: temporal workflow unpause -w {run_id}") from None
    return manifest_with_status(told, await status(client, run_id, is_served))


async def status(client: Client, run_id: str, is_served: IsServed | None = None) -> RunStatus:
    """Return how the run stands. `is_served` None: that is not known, and not asked."""
    return await standing.status(await client.get_workflow_handle(run_id).describe(), is_served)


async def given_before(client: Client, run_id: str, task: int) -> CarriedRun:
    """Return what the tasks before that one (an index from 0) gave in the run. Raises NotWaiting."""
    run = client.get_workflow_handle(run_id)
    carried: CarriedRun = await _retried(lambda: run.query("given_before", task, result_type=CarriedRun))
    return carried


async def _query(client: Client, run_id: str, query: str, kind: type[T]) -> T:
    answer: T = await _retried(lambda: client.get_workflow_handle(run_id).query(query, result_type=kind))
    return answer


async def count(run: Handle) -> int:
    """Return how many events the run has recorded; 0 where it is paused by Temporal. Raises NotWaiting."""
    try:
        journal: RunEvents = await _retried(lambda: run.query("journal", LATER, result_type=RunEvents))
    except WorkflowQueryRejectedError:
        return 0
    return journal.next


async def _retried(ask: Callable[[], Awaitable[T]]) -> T:
    """Return the answer to a query; a worker that is just starting is waited for. Raises NotWaiting."""
    deadline = asyncio.get_running_loop().time() + PATIENCE
    while True:
        try:
            async with asyncio.timeout(QUERY_TIMEOUT):
                return await ask()
        except WorkflowQueryFailedError as error:
            raise NotWaiting(f"the worker that serves the run cannot answer; its log says why: {error}") from error
        except (TimeoutError, RPCError) as error:
            if isinstance(error, RPCError) and error.status == RPCStatusCode.NOT_FOUND:
                raise NotWaiting("there is no such run") from None
            if asyncio.get_running_loop().time() > deadline:
                raise NotWaiting(f"no worker answers for the run; start one: {program()} worker") from None
            await asyncio.sleep(POLL)


async def open_runs(client: Client) -> AsyncIterator[tuple[str, str]]:
    """Yield the id and the task queue of each open run."""
    async for run in client.list_workflows(f'WorkflowType="{WORKFLOW}" AND CloseTime IS NULL'):
        yield run.id, run.task_queue


async def wait_closed(client: Client, run_id: str) -> None:
    """Return when the run is closed, or there is none of that id."""
    try:
        await client.get_workflow_handle(run_id).result()
    except WorkflowFailureError:
        return
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise


async def is_closed_within(client: Client, run_id: str, seconds: float) -> bool:
    """Return whether the run is closed, or there is none of that id; it is waited for that long."""
    try:
        async with asyncio.timeout(seconds):
            await wait_closed(client, run_id)
    except TimeoutError:
        return False
    return True


async def wait_over(client: Client, run_id: str) -> None:
    """Return when nothing is left to do for the run: it is closed or parked, or there is none of that id."""
    handle = client.get_workflow_handle(run_id)
    while True:
        try:
            run = await handle.describe()
            if not is_open(run.status) or await standing.status(run) == "parked":
                return
        except RPCError as error:
            if error.status == RPCStatusCode.NOT_FOUND:
                return
        await asyncio.sleep(POLL)


async def outcome(handle: Handle, bundle: Bundle) -> RunReport:
    """Return the report of a run that is closed or parked. Never raises for a run that failed."""
    try:
        if is_open((await handle.describe()).status):
            return await _query(handle._client, handle.id, "status", RunReport)
        return await handle.result()
    except NotWaiting:  # its worker has gone
        return await _last_known(handle, bundle)
    except WorkflowFailureError as error:
        cause = error.cause
        if isinstance(cause, ApplicationError) and cause.type == NotSigned.__name__:
            return standing.refused(bundle, cause.message)
        if isinstance(cause, ApplicationError) and cause.details:
            return RunReport.model_validate(cause.details[0])
        return await _last_known(handle, bundle)


async def began(handle: Handle, description: WorkflowExecutionDescription) -> datetime:
    """Return when the run was started: where it has several histories, when the first that is still known was."""
    first = description.raw_description.workflow_execution_info.first_run_id
    if first in ("", description.run_id):
        return description.start_time
    with unless_forgotten():
        return (await handle._client.get_workflow_handle(handle.id, run_id=first).describe()).start_time
    return description.start_time


async def took(handle: Handle) -> timedelta:
    """Return the time from the run's start to its end, or until now."""
    description = await handle.describe()
    return (description.close_time or datetime.now(UTC)) - await began(handle, description)


def is_bug(report: RunReport) -> bool:
    """Return whether the run failed by a fault of ours."""
    return report.failure is not None and report.failure.type == BUG


async def _join(client: Client, bundle: Bundle, run_id: str) -> Handle:
    handle: Handle = client.get_workflow_handle(run_id, result_type=RunReport)
    try:
        run = await finding.described(client, run_id)
    except NotWaiting as error:
        raise RunConflict(f"{error}; choose another --id") from None
    if run is None:  # it was removed just now
        raise RunConflict(f"run {run_id} was there a moment ago, and is gone; start it again")
    if not is_open(run.status):
        ended = spelled(await standing.status(run))
        raise RunConflict(f"run {run_id} has already ended ({ended}); choose another --id")
    if (await run.memo()).get("bundle") != bundle.hash:
        raise RunConflict(
            f"run {run_id} is open with another version of the flow; choose another --id, or cancel it first"
        )
    return handle


async def _last_known(handle: Handle, bundle: Bundle) -> RunReport:
    """Return the report of a run that was ended from outside: as the workflow last knew it, else just its status."""
    try:
        async with asyncio.timeout(QUERY_TIMEOUT):
            report: RunReport = await handle.query("status", result_type=RunReport)
    except (TimeoutError, WorkflowQueryFailedError, RPCError):
        report = RunReport(name=bundle.name, bundle=bundle.hash)
    return report_with_status(report, await status(handle._client, handle.id))
