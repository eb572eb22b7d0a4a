"""Tell a run what a person wants of it: answers to calls, decisions, to pause. By update, else by signal."""

import asyncio

from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from grammar.errors import NotWaiting
from grammar.messages.contracts import ApprovalDecision
from grammar.messages.reports import Approval, Decision, Rejection
from runtime.runs.runs import QUERY_TIMEOUT, Handle, queue_of


async def pause(client: Client, run_id: str, paused: bool) -> None:
    """Tell the run. Raises NotWaiting where there is no open run of that id."""
    try:
        await client.get_workflow_handle(run_id).signal("pause" if paused else "unpause")
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        raise NotWaiting(f"there is no open run {run_id}") from None


async def cancel(client: Client, run_id: str) -> None:
    """Ask the run to end, and all that runs for it. Raises NotWaiting where there is no open run of that id."""
    if await queue_of(client, run_id) is None:  # the server takes it for done where the run has ended
        raise NotWaiting(f"there is no open run {run_id}")
    await client.get_workflow_handle(run_id).cancel()


async def answer(handle: Handle, approval: Approval, verdict: ApprovalDecision) -> None:
    """Tell the run what a person said about a call. Raises NotWaiting."""
    yes, no = ("approve", "reject") if approval.kind == "approval" else ("retry_call", "skip_call")
    refused: object = Rejection(id=verdict.id, reason=verdict.reason) if no == "reject" else verdict.id
    await _tell(handle, yes if verdict.approved else no, [verdict.id if verdict.approved else refused])


async def grant(handle: Handle, call: str) -> None:
    """Tell the run that a person allows the call, and each other one of its tool. Raises NotWaiting."""
    await _tell(handle, "approve_always", [call])


async def decide(handle: Handle, decision: Decision) -> None:
    """Tell a parked run what a person decided. Raises NotWaiting."""
    said: list[object] = [decision.value, decision.task] if decision.action == "set_output" else [decision.task]
    await _tell(handle, decision.action, said)


async def _tell(handle: Handle, name: str, said: list[object]) -> None:
    """By an update; where no worker answers, it is left as a signal, which the next worker takes in."""
    try:
        async with asyncio.timeout(QUERY_TIMEOUT):
            await handle.execute_update(name, args=said)
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        await handle.signal(name, args=said)
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        raise NotWaiting(cause.message if isinstance(cause, ApplicationError) else str(cause)) from None
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        raise NotWaiting(f"there is no open run {handle.id}") from None
