"""Updates and signals by which a person steers a run: answers to calls, decisions, to pause."""

import asyncio

from temporalio.client import Client, WorkflowUpdateFailedError, WorkflowUpdateRPCTimeoutOrCancelledError
from temporalio.exceptions import ApplicationError
from temporalio.service import RPCError, RPCStatusCode

from grammar.errors import NotWaiting
from grammar.messages.reports import Action, Approval, ApprovalDecision, Decision, Rejection
from runtime.runs import finding
from runtime.runs.runs import QUERY_TIMEOUT, Handle


async def pause(client: Client, run_id: str, paused: bool) -> None:
    """Pause the run, or have it go on. Raises NotWaiting where there is no open run of that id."""
    await _open(client, run_id)
    await client.get_workflow_handle(run_id).signal("pause" if paused else "unpause")


async def cancel(client: Client, run_id: str) -> None:
    """Ask the run to end, and all that runs for it. Raises NotWaiting where there is no open run of that id."""
    await _open(client, run_id)  # the server takes it for done where the run has ended
    await client.get_workflow_handle(run_id).cancel()


async def answer(handle: Handle, approval: Approval, decision: ApprovalDecision) -> None:
    """Send what a person decided about a call. Raises NotWaiting where the run does not wait for it."""
    yes, no = ("retry_call", "skip_call") if approval.kind == "unknown_outcome" else ("approve", "reject")
    refused: object = Rejection(id=decision.id, reason=decision.reason) if no == "reject" else decision.id
    await _send(handle, yes if decision.approved else no, [decision.id if decision.approved else refused])


async def grant(handle: Handle, call: str) -> None:
    """Allow the call, and each other one of its tool in the run. Raises NotWaiting."""
    await _send(handle, "approve_always", [call])


async def decide(handle: Handle, decision: Decision) -> None:
    """Send a person's decision to a run. Raises NotWaiting where it does not fit, as where nothing is parked."""
    arguments: dict[Action, list[object]] = {
        "set_output": [decision.value, decision.task],
        "raise_budget": [decision.budget],
    }
    await _send(handle, decision.action, arguments.get(decision.action, [decision.task]))


async def _open(client: Client, run_id: str) -> None:
    """Raise NotWaiting where there is no open run of that id."""
    if await finding.open_queue(client, run_id) is None:
        raise NotWaiting(f"there is no open run {run_id}")


async def _send(handle: Handle, name: str, arguments: list[object]) -> None:
    """Send an update; where no worker answers, leave a signal, which the next worker takes in."""
    try:
        async with asyncio.timeout(QUERY_TIMEOUT):
            await handle.execute_update(name, args=arguments)
    except (TimeoutError, WorkflowUpdateRPCTimeoutOrCancelledError):
        await handle.signal(name, args=arguments)
    except WorkflowUpdateFailedError as error:
        cause = error.cause
        raise NotWaiting(cause.message if isinstance(cause, ApplicationError) else str(cause)) from None
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
        raise NotWaiting(f"there is no open run {handle.id}") from None
