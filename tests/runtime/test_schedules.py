"""Schedules on a real server. Nobody serves their runs here."""

import re
import uuid
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest
from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    ScheduleOverlapPolicy,
    ScheduleSpec,
    ScheduleUpdate,
    ScheduleUpdateInput,
    WorkflowHandle,
)
from temporalio.service import RPCError

from grammar.documents.models import Task
from grammar.errors import InvalidFlow, NotScheduled
from grammar.messages.names import NAME_ATTRIBUTE, STATUS_ATTRIBUTE, TASK_QUEUE
from grammar.messages.reports import RunLine, RunOverview
from grammar.messages.run_bundle import Bundle
from grammar.messages.schedule import ScheduleLine
from runtime.runs import finding, run_list, runs, schedules
from runtime.runs.run_list import RunFilter
from runtime.storage.converter import data_converter
from tests.support.dev_server import DevServer
from tests.support.waiting import until_async

FLOW = Bundle(name="night", source="flows/night.yaml", tasks=[Task(name="one", run="true")], hash="abc")


@pytest.fixture
async def client(dev_server: DevServer) -> Client:
    return await Client.connect(dev_server.address, data_converter=data_converter(None))


@pytest.fixture
def name() -> str:
    """An id of the test's own."""
    return f"night-{uuid.uuid4().hex[:8]}"


async def line(client: Client, schedule_id: str) -> ScheduleLine:
    """The schedule in the list, as soon as it is there."""

    async def found() -> ScheduleLine | None:
        return next((one for one in [one async for one in schedules.listed(client)] if one.id == schedule_id), None)

    return await until_async(found)


def once(client: Client, schedule_id: str, holds: Callable[[ScheduleLine], object]) -> Awaitable[ScheduleLine]:
    """The schedule in the list, as soon as that holds of it."""

    async def found() -> ScheduleLine | None:
        one = await line(client, schedule_id)
        return one if holds(one) else None

    return until_async(found)


async def triggered(client: Client, schedule_id: str) -> tuple[ScheduleHandle, WorkflowHandle[object, object]]:
    """The schedule, and a run of it that was started now."""
    handle = client.get_schedule_handle(schedule_id)
    await handle.trigger()
    last = (await once(client, schedule_id, lambda one: one.last_run)).last_run
    assert last
    return handle, client.get_workflow_handle(last.id)


async def test_times_are_utc_unless_a_zone_stands_in_front(client: Client, name: str) -> None:
    first = await schedules.make(client, FLOW, f"{name}-utc", "30 2 1 1 *")
    there = await schedules.make(client, FLOW, f"{name}-there", "CRON_TZ=Asia/Tokyo 30 2 1 1 *  # at night")
    assert f"{first:%m-%d %H:%M %Z}" == "01-01 02:30 UTC"
    assert f"{there:%m-%d %H:%M %Z}" == "12-31 17:30 UTC"
    assert (await line(client, f"{name}-there")).cron == "CRON_TZ=Asia/Tokyo 30 2 1 1 *"
    assert (await line(client, f"{name}-utc")).next_run == first


async def test_a_run_is_as_one_that_is_started_by_hand(client: Client, name: str) -> None:
    await schedules.make(client, FLOW, name, "@yearly")
    _, run = await triggered(client, name)
    mine = await runs.start(client, FLOW, f"{name}-by-hand", TASK_QUEUE)
    found, other = await run.describe(), await mine.describe()
    assert (found.workflow_type, found.task_queue) == (other.workflow_type, other.task_queue)
    assert await found.memo() == await other.memo()
    attributes = {pair.key.name: pair.value for pair in found.typed_search_attributes}
    assert (attributes[NAME_ATTRIBUTE], attributes[STATUS_ATTRIBUTE]) == ("night", "running")
    assert attributes["TemporalScheduledById"] == name
    assert await finding.bundle_of(client, run.id) == FLOW

    async def listed() -> list[RunLine]:
        return [one for one in await run_list.listed(client, RunFilter()) if one.id == run.id]

    assert [(one.flow, one.standing) for one in await until_async(listed)] == [("flows/night.yaml", RunOverview())]
    await run.terminate()
    await mine.terminate()


async def test_runs_do_not_pile_up(client: Client, name: str) -> None:
    await schedules.make(client, FLOW, name, "@every 8760h")
    handle, run = await triggered(client, name)
    await handle.trigger()
    one = await once(client, name, lambda one: one.skipped)
    assert (one.skipped, one.cron) == (1, "@every 365 days, 0:00:00")
    assert one.last_run
    assert (one.last_run.id, one.last_run.status) == (run.id, "running")
    assert run.id.startswith(f"{name}-20")
    policy = (await handle.describe()).schedule.policy
    assert (policy.overlap, policy.catchup_window) == (ScheduleOverlapPolicy.SKIP, timedelta(hours=1))
    await run.terminate()


async def test_a_run_that_the_server_has_forgotten(client: Client, name: str) -> None:
    await schedules.make(client, FLOW, name, "@yearly")
    _, run = await triggered(client, name)
    await client.workflow_service.delete_workflow_execution(_deletion(client, run.id))
    one = await once(client, name, lambda one: one.last_run and one.last_run.status == "forgotten")
    assert one.last_run
    assert (one.last_run.id, one.last_run.flow) == (run.id, "flows/night.yaml")


async def test_one_that_is_paused_elsewhere(client: Client, name: str) -> None:
    await schedules.make(client, FLOW, name, "@yearly")
    await client.get_schedule_handle(name).pause()
    assert (await line(client, name)).paused


async def test_an_id_is_for_one(client: Client, name: str) -> None:
    await schedules.make(client, FLOW, name, "@yearly")
    with pytest.raises(
        NotScheduled, match=rf"schedule {name} exists already; remove it first \(.+ schedule remove {name}\)"
    ):
        await schedules.make(client, FLOW, name, "@monthly")
    assert (await line(client, name)).cron == "@yearly"
    await schedules.remove(client, name)
    with pytest.raises(NotScheduled, match=f"there is no schedule {name}"):
        await schedules.remove(client, name)
    await schedules.make(client, FLOW, name, "@monthly")
    assert (await line(client, name)).cron == "@monthly"


@pytest.mark.parametrize(
    ("cron", "says"),
    [
        ("61 6 * * *", "'61 6 * * *': Minute is not in range"),
        ("CRON_TZ=Mars/Base 0 6 * * *", "unknown time zone Mars/Base"),
        ("0 0 31 2 *", "'0 0 31 2 *': there is no such time"),
        ("@reboot", "'@reboot': "),
    ],
)
async def test_times_that_cannot_be(client: Client, name: str, cron: str, says: str) -> None:
    with pytest.raises(InvalidFlow, match=re.escape(says)):
        await schedules.make(client, FLOW, name, cron)
    with pytest.raises(RPCError, match=r"not found|completed"):
        await client.get_schedule_handle(name).describe()


async def test_the_server_refuses_something_else(client: Client) -> None:
    """The times are not to blame."""
    with pytest.raises(RPCError, match="WorkflowId exceeds"):
        await schedules.make(client, FLOW, "x" * 2000, "@yearly")


async def test_those_of_other_workflows_are_left_alone(client: Client, name: str) -> None:
    action = ScheduleActionStartWorkflow("Payroll", id=name, task_queue="payroll")
    theirs = await client.create_schedule(name, Schedule(action, ScheduleSpec(cron_expressions=["@yearly"])))

    async def visible() -> bool:
        return name in [one.id async for one in await client.list_schedules()]

    await until_async(visible)
    assert name not in [one.id async for one in schedules.listed(client)]
    with pytest.raises(NotScheduled, match=f"there is no schedule {name}"):
        await schedules.remove(client, name)
    assert (await theirs.describe()).id == name


async def test_times_that_were_changed_elsewhere_are_not_told_wrongly(client: Client, name: str) -> None:
    await schedules.make(client, FLOW, name, "@yearly")
    handle = client.get_schedule_handle(name)
    await handle.update(changed)
    one = await once(client, name, lambda one: one.cron != "@yearly")
    assert one.cron == "other times"


def changed(before: ScheduleUpdateInput) -> ScheduleUpdate:
    before.description.schedule.spec = ScheduleSpec(cron_expressions=["0 7 * * *"])
    return ScheduleUpdate(before.description.schedule)


def _deletion(client: Client, run_id: str) -> DeleteWorkflowExecutionRequest:
    return DeleteWorkflowExecutionRequest(
        namespace=client.namespace, workflow_execution=WorkflowExecution(workflow_id=run_id)
    )
