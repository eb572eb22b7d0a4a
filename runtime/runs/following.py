"""Follow a run: what is new of it, until it is closed or parked."""

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingActivityState
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowExecutionStatus,
    WorkflowFailureError,
    WorkflowQueryFailedError,
)
from temporalio.service import RPCError, RPCStatusCode

from grammar.messages.activity_results import Progress
from grammar.messages.events import PendingActivity, RunChanges, RunEvent, RunEvents
from runtime.runs.runs import POLL, QUERY_TIMEOUT, Handle, began

# Whoever looks takes time from the run: of a server or a worker that is slow to answer, less is asked.
PAUSES = 10
LONGEST_PAUSE = 3.0
STUCK_AFTER = 3


async def follow(client: Client, handle: Handle, hear: Callable[[RunChanges], None], after: int = 0) -> None:
    """Tell what is new of the run until it is closed or parked. A server that is away for a while is waited for."""
    ending = asyncio.create_task(_ended(handle))
    try:
        await _follow(client, handle, hear, after, ending)
    finally:
        ending.cancel()


async def _ended(handle: Handle) -> None:
    """Return when the run is closed, at once: looking every now and then is told later."""
    while True:
        try:
            await handle.result()
        except RPCError:
            await asyncio.sleep(POLL)
        except WorkflowFailureError:
            return
        else:
            return


async def _follow(
    client: Client, handle: Handle, hear: Callable[[RunChanges], None], after: int, ending: asyncio.Task[None]
) -> None:
    clock = asyncio.get_running_loop().time
    started: datetime | None = None
    while True:
        asked = clock()
        try:
            description = await handle.describe()
            started = started or await began(handle, description)
            journal = await _journal(handle, after)
        except RPCError:
            await asyncio.sleep(POLL)
            continue
        after = journal.next
        closed = description.status != WorkflowExecutionStatus.RUNNING
        live = _still(await live_of(client, description), journal.entries)
        told = (journal.entries, journal.tasks, journal.approvals, journal.parked)
        hear(RunChanges(*told, live, _is_stuck(description), started))
        if closed or journal.parked:
            return
        await asyncio.wait({ending}, timeout=min(max(POLL, PAUSES * (clock() - asked)), LONGEST_PAUSE))


async def _journal(handle: Handle, after: int) -> RunEvents:
    """What the workflow recorded; nothing new as long as no worker answers."""
    try:
        async with asyncio.timeout(QUERY_TIMEOUT):
            found: RunEvents = await handle.query("journal", after, result_type=RunEvents)
            return found
    except (TimeoutError, WorkflowQueryFailedError):
        return RunEvents(next=after)
    except RPCError as error:
        if error.status in (
            RPCStatusCode.FAILED_PRECONDITION,
            RPCStatusCode.DEADLINE_EXCEEDED,
            RPCStatusCode.CANCELLED,
        ):
            return RunEvents(next=after)
        raise


def _is_stuck(description: WorkflowExecutionDescription) -> bool:
    return description.raw_description.pending_workflow_task.attempt >= STUCK_AFTER


def _still(live: dict[str, PendingActivity], entries: list[RunEvent]) -> dict[str, PendingActivity]:
    """Without those that have ended since: the description is older than the journal."""
    over = {entry.activity for entry in entries if entry.kind in ("branch_ended", "leg_ended")}
    return {activity: one for activity, one in live.items() if activity not in over}


async def live_of(client: Client, description: WorkflowExecutionDescription) -> dict[str, PendingActivity]:
    """What runs now, or waits for its next attempt, by activity id."""
    live = {}
    for one in description.raw_description.pending_activities:
        payloads = list(one.heartbeat_details.payloads)[:1]
        progress = (await client.data_converter.decode(payloads, [Progress]))[0] if payloads else None
        live[one.activity_id] = _live(one, progress)
    return live


def _live(one: PendingActivityInfo, progress: Progress | None) -> PendingActivity:
    scheduled = one.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    return PendingActivity(
        attempt=one.attempt,
        progress=progress,
        last_failure=one.last_failure.message,
        kind=one.last_failure.application_failure_info.type,
        attempts=one.maximum_attempts,
        since=_time(one.scheduled_time if scheduled else one.last_started_time),
        retry_at=_time(one.next_attempt_schedule_time),
        queued=scheduled and not one.next_attempt_schedule_time.seconds,
    )


def _time(stamp: Timestamp) -> datetime | None:
    return stamp.ToDatetime(tzinfo=UTC) if stamp.seconds else None
