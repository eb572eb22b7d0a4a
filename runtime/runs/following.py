"""Follow a run: what changes in it, until it is closed or parked."""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.enums.v1 import PendingActivityState, TimeoutType
from temporalio.api.failure.v1 import Failure as FailureMessage
from temporalio.api.workflow.v1 import PendingActivityInfo
from temporalio.client import (
    Client,
    WorkflowExecutionDescription,
    WorkflowFailureError,
    WorkflowQueryFailedError,
    WorkflowQueryRejectedError,
)
from temporalio.service import RPCError, RPCStatusCode

from grammar.messages.activity_results import Progress
from grammar.messages.events import PendingActivity, RunChanges, RunEvent, RunEvents
from runtime.encryption import failure_text
from runtime.runs import standing
from runtime.runs.execution_status import is_open
from runtime.runs.runs import POLL, QUERY_TIMEOUT, Handle, began
from runtime.runs.standing import IsServed, remembered

# Each poll takes time from the run: a server or a worker that is slow to answer is polled less often.
PAUSES = 10
LONGEST_PAUSE = 3.0
STUCK_AFTER = 3
TIMEOUTS = {
    TimeoutType.TIMEOUT_TYPE_HEARTBEAT: "the worker was lost",
    TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE: "the attempt took longer than start_to_close_timeout",
}
"""Why an attempt was given up, where Temporal says `activity Heartbeat timeout`."""


async def follow(
    client: Client,
    handle: Handle,
    on_changes: Callable[[RunChanges], None],
    after: int = 0,
    is_served: IsServed | None = None,
) -> None:
    """Call `on_changes` every 0.5 to 3 s, until the run is closed or parked.

    `after`: how many events of the run are known already. `is_served` None: somebody serves the run. A server that is
    away for a while is waited for.
    """
    is_served = remembered(is_served) if is_served else None
    ending = asyncio.create_task(_ended(handle))
    try:
        await _follow(client, handle, on_changes, after, ending, is_served)
    finally:
        ending.cancel()


async def _ended(handle: Handle) -> None:
    """Return as soon as the run is closed: polls would notice it later."""
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
    client: Client,
    handle: Handle,
    on_changes: Callable[[RunChanges], None],
    after: int,
    ending: asyncio.Task[None],
    is_served: IsServed | None,
) -> None:
    clock = asyncio.get_running_loop().time
    started: datetime | None = None
    while True:
        polled = clock()
        try:
            description = await handle.describe()
            started = started or await began(handle, description)
            journal = await _journal(handle, after)
            status = await standing.status(description, is_served)
        except RPCError:
            await asyncio.sleep(POLL)
            continue
        after = journal.next
        closed = not is_open(description.status)
        if journal.parked and not closed:  # the description is older than the journal
            status = "parked"
        live = _without_ended(await live_of(client, description), journal.entries)
        recorded = (journal.entries, journal.tasks, journal.approvals, journal.parked)
        stuck = _is_stuck(description)
        on_changes(RunChanges(*recorded, live, stuck, started, status, journal.rate_limits, journal.budget))
        if closed or journal.parked:
            return
        await asyncio.wait({ending}, timeout=min(max(POLL, PAUSES * (clock() - polled)), LONGEST_PAUSE))


async def until_decided(handle: Handle) -> None:
    """Return once the parked run is not parked any more: somebody has decided about it, or it has ended."""
    was_parked = False
    while True:
        with suppress(RPCError):
            run = await handle.describe()
            status = await standing.status(run)
            was_parked = was_parked or status == "parked"
            # One that Temporal itself has paused still waits. Runs of before do not tell that they are parked.
            if not is_open(run.status) or (was_parked and status not in ("parked", "paused")):
                return
        await asyncio.sleep(POLL)


async def _journal(handle: Handle, after: int) -> RunEvents:
    """Return what the workflow recorded; nothing new as long as no worker answers."""
    try:
        async with asyncio.timeout(QUERY_TIMEOUT):
            events: RunEvents = await handle.query("journal", after, result_type=RunEvents)
            return events
    except (TimeoutError, WorkflowQueryFailedError, WorkflowQueryRejectedError):  # rejected: paused by Temporal
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


def _without_ended(live: dict[str, PendingActivity], entries: list[RunEvent]) -> dict[str, PendingActivity]:
    """Leave out those that have ended since: the description is older than the journal."""
    ended = {entry.activity for entry in entries if entry.kind in ("branch_ended", "leg_ended")}
    return {activity: pending for activity, pending in live.items() if activity not in ended}


async def live_of(client: Client, description: WorkflowExecutionDescription) -> dict[str, PendingActivity]:
    """Return the activities that run now, or wait for their next attempt, by activity id."""
    live = {}
    for info in description.raw_description.pending_activities:
        payloads = list(info.heartbeat_details.payloads)[:1]
        progress = (await client.data_converter.decode(payloads, [Progress]))[0] if payloads else None
        failure = await failure_text.opened(client.data_converter, info.last_failure)
        live[info.activity_id] = _live(info, progress, failure)
    return live


def _live(info: PendingActivityInfo, progress: Progress | None, failure: FailureMessage) -> PendingActivity:
    scheduled = info.state == PendingActivityState.PENDING_ACTIVITY_STATE_SCHEDULED
    return PendingActivity(
        attempt=info.attempt,
        progress=progress,
        last_failure=_failure_text(failure),
        kind=failure.application_failure_info.type,
        attempts=info.maximum_attempts,
        since=_time(info.scheduled_time if scheduled else info.last_started_time),
        retry_at=_time(info.next_attempt_schedule_time),
        queued=scheduled and not info.next_attempt_schedule_time.seconds,
    )


def _failure_text(failure: FailureMessage) -> str:
    """Return why the last attempt failed, with Temporal's own timeouts in our words; empty where there was none."""
    if failure.HasField("timeout_failure_info"):
        return TIMEOUTS.get(failure.timeout_failure_info.timeout_type, failure.message)
    return failure.message


def _time(stamp: Timestamp) -> datetime | None:
    return stamp.ToDatetime(tzinfo=UTC) if stamp.seconds else None
