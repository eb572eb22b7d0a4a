"""Schedules as a client sees them: made once, listed, removed. Temporal starts the runs."""

from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from shlex import quote

from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionResult,
    ScheduleActionStartWorkflow,
    ScheduleAlreadyRunningError,
    ScheduleDescription,
    ScheduleOverlapPolicy,
    SchedulePolicy,
    ScheduleSpec,
)
from temporalio.service import RPCError, RPCStatusCode

from grammar.errors import NotScheduled
from grammar.messages.names import TASK_QUEUE, WORKFLOW
from grammar.messages.reports import RunLine, RunOverview
from grammar.messages.run_bundle import Bundle
from grammar.messages.schedule import ScheduleLine, refused
from grammar.program import program
from runtime.runs import runs, search_attributes, standing
from runtime.runs.standing import IsServed
from runtime.storage.too_large import too_large

# A server that comes back within this time starts the run that it missed; after a longer time, it is a surprise.
CATCH_UP = timedelta(hours=1)
# A run that is not over is not joined by another one, and none queues up behind it.
POLICY = SchedulePolicy(overlap=ScheduleOverlapPolicy.SKIP, catchup_window=CATCH_UP)
COMMENT = 200


async def make(client: Client, bundle: Bundle, schedule_id: str, cron: str, task_queue: str = TASK_QUEUE) -> datetime:
    """Have runs of the bundle start at these times. Returns the first of them.

    Raises InvalidFlow for times that are none, NoStorage, and NotScheduled where there is a schedule of that id.
    """
    schedule = Schedule(await _action(client, bundle, schedule_id, task_queue), _spec(cron), POLICY)
    memo = {"flow": bundle.source, "bundle": bundle.hash}
    try:
        handle = await client.create_schedule(schedule_id, schedule, memo=memo)
    except ScheduleAlreadyRunningError:
        removal = f"{program()} schedule remove {quote(schedule_id)}"
        raise NotScheduled(
            f"schedule {schedule_id} exists already; remove it first ({removal}), or name the new one (--id)"
        ) from None
    except RPCError as error:
        if refusal := too_large(error):
            raise refusal from None
        if "schedule spec" not in error.message.lower():
            raise
        raise refused(error.message.replace("Invalid schedule spec", repr(cron))) from None
    times = (await handle.describe()).info.next_action_times
    if not times:
        await handle.delete()
        raise refused(f"{cron!r}: there is no such time")
    return times[0]


async def listed(client: Client, is_served: IsServed | None = None) -> AsyncIterator[ScheduleLine]:
    """Yield the schedules of taskflows. Those of other workflows are somebody else's.

    `is_served` None: that is not known of their runs, and not asked.
    """
    async for schedule in await client.list_schedules():
        if line := await _line(client, schedule.id, is_served):
            yield line


async def remove(client: Client, schedule_id: str) -> None:
    """Remove the schedule: no more runs start, and an open one goes on. Raises NotScheduled where there is none."""
    if await _described(client, schedule_id) is None:
        raise NotScheduled(f"there is no schedule {schedule_id}")
    await client.get_schedule_handle(schedule_id).delete()


async def _action(client: Client, bundle: Bundle, schedule_id: str, task_queue: str) -> ScheduleActionStartWorkflow:
    """Return what starts a run, as it is started by hand. Temporal adds the time to its id."""
    return ScheduleActionStartWorkflow(
        WORKFLOW,
        bundle,
        id=schedule_id,
        task_queue=task_queue,
        static_summary=runs.summary(bundle),
        static_details=runs.details(bundle),
        memo=runs.memo(bundle),
        typed_search_attributes=await search_attributes.of_run(client, bundle),
        priority=runs.priority(bundle, schedule_id),
    )


def _spec(cron: str) -> ScheduleSpec:
    """Return the times, with the expression as its comment: the server keeps that, but not the expression."""
    expression = cron.partition("#")[0].strip()
    return ScheduleSpec(cron_expressions=[f"{expression} # {expression[:COMMENT]}"])


def _cron(spec: ScheduleSpec) -> str:
    """Return the times as they were written; those that were changed elsewhere have no words."""
    expressions = [calendar.comment or "other times" for calendar in spec.calendars]
    return ", ".join([*expressions, *(f"@every {interval.every}" for interval in spec.intervals)])


async def _line(client: Client, schedule_id: str, is_served: IsServed | None) -> ScheduleLine | None:
    schedule = await _described(client, schedule_id)
    if schedule is None:
        return None
    flow, info = str(await schedule.memo_value("flow", "")), schedule.info
    return ScheduleLine(
        id=schedule_id,
        flow=flow,
        bundle=str(await schedule.memo_value("bundle", "")),
        cron=_cron(schedule.schedule.spec),
        paused=schedule.schedule.state.paused,
        next_run=info.next_action_times[0] if info.next_action_times else None,
        last_run=await _run(client, info.recent_actions[-1], flow, is_served) if info.recent_actions else None,
        skipped=info.num_actions_skipped_overlap,
    )


async def _described(client: Client, schedule_id: str) -> ScheduleDescription | None:
    """Return the schedule; None where there is none of that id, or it starts no taskflows."""
    try:
        schedule = await client.get_schedule_handle(schedule_id).describe()
    except RPCError as error:
        if error.status == RPCStatusCode.NOT_FOUND:
            return None
        raise
    action = schedule.schedule.action
    return schedule if isinstance(action, ScheduleActionStartWorkflow) and action.workflow == WORKFLOW else None


async def _run(client: Client, result: ScheduleActionResult, flow: str, is_served: IsServed | None) -> RunLine:
    """Return the run that was started; the server may have forgotten it since."""
    assert isinstance(result.action, ScheduleActionExecutionStartWorkflow)
    run_id = result.action.workflow_id
    try:
        return await standing.line(client, await client.get_workflow_handle(run_id).describe(), is_served)
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise
    return RunLine(id=run_id, flow=flow, status="forgotten", standing=RunOverview(), started=result.started_at)
