"""Runs found by their ids: whether there is one, and whether it is a taskflow that this version can read."""

from pydantic import ValidationError
from temporalio.client import Client, WorkflowExecutionDescription
from temporalio.service import RPCError, RPCStatusCode

from grammar.errors import NotWaiting
from grammar.messages.names import WORKFLOW
from grammar.messages.run_bundle import Bundle
from runtime.runs.execution_status import is_open


async def described(client: Client, run_id: str) -> WorkflowExecutionDescription | None:
    """Return what the server knows of the run; None where there is none of that id.

    Raises NotWaiting where that is the id of somebody else's workflow: nothing is to be done to it, or asked of it.
    """
    try:
        run = await client.get_workflow_handle(run_id).describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return None
        raise
    if run.workflow_type != WORKFLOW:
        raise NotWaiting(f"{run_id} is no run of a taskflow: it is a workflow of the type {run.workflow_type}")
    return run


async def queue(client: Client, run_id: str) -> str | None:
    """Return the task queue of the run of that id, open or not; None where there is none. Raises NotWaiting."""
    run = await described(client, run_id)
    return run.task_queue if run else None


async def open_queue(client: Client, run_id: str) -> str | None:
    """Return the task queue of the run of that id; None where there is none, or it is closed. Raises NotWaiting."""
    run = await described(client, run_id)
    return run.task_queue if run and is_open(run.status) else None


async def bundle_of(client: Client, run_id: str) -> Bundle:
    """Return the bundle that the run was started with.

    Raises NotWaiting where there is no such run, or another version has started it, which has other bundles.
    """
    if await described(client, run_id) is None:
        raise NotWaiting(f"there is no run {run_id}")
    events = client.get_workflow_handle(run_id).fetch_history_events(page_size=1)
    started = (await anext(events)).workflow_execution_started_event_attributes
    if not (payloads := list(started.input.payloads)[:1]):
        raise _unreadable(run_id)
    try:
        (bundle,) = await client.data_converter.decode(payloads, [Bundle])
    except ValidationError as error:
        raise _unreadable(run_id) from error
    return bundle  # type: ignore[no-any-return]


def _unreadable(run_id: str) -> NotWaiting:
    return NotWaiting(f"run {run_id} cannot be read: another version of taskflow has started it")
