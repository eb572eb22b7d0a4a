"""A worker does what its owner's runs ask of it, and a run goes on with what its owner's workers gave, and no more."""

import asyncio
import uuid
from datetime import timedelta
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError

from grammar.documents.models import Task
from grammar.errors import NotTakenOver
from grammar.messages import names
from grammar.messages.activity_requests import ShellRequest, TemplateContext
from grammar.messages.activity_results import Branch, Page
from grammar.messages.continue_as_new import CarriedRun
from grammar.messages.names import WORKFLOW
from runtime.runs import runs
from runtime.signing.worker_signing import WorkerSigning
from tests.security.owner import (
    Owner,
    WorkerLog,
    bundle,
    impostor,
    owned_worker,
    owner,
    start_with,
    stranger,
    strangers_worker,
)
from tests.support.dev_server import DevServer
from tests.support.waiting import until_async

ASK = Task(name="ask", agents=("who",), user_prompt="x")
SHELL = ShellRequest(script="rm", surroundings=TemplateContext(key="0"))


# An activity that somebody else asks for


@workflow.defn(name="Asking")
class Asking:
    """Somebody else's workflow, which has an activity of somebody's worker done."""

    @workflow.run
    async def run(self, queue: str, name: str, activity_id: str, request: RawValue) -> RawValue:
        given: RawValue = await workflow.execute_activity(
            name, request, task_queue=queue, activity_id=activity_id, start_to_close_timeout=timedelta(seconds=10),
            result_type=RawValue,
        )  # fmt: skip
        return given


async def test_an_activity_that_no_run_of_the_owners_asks_for_does_nothing(
    dev_server: DevServer, log: WorkerLog
) -> None:
    async with owned_worker(dev_server) as mine, strangers_worker(dev_server, Asking) as (client, queue):
        with pytest.raises(WorkflowFailureError) as failed:
            await client.execute_workflow(
                "Asking", args=[mine.queue, names.RUN_SHELL, "task-1", SHELL], id=str(uuid.uuid4()), task_queue=queue
            )
    assert_not_done(failed.value, mine)
    assert "'run_shell'" in log.lines[0]


@pytest.mark.parametrize(("of_run", "of_activity"), [(False, True), (True, False)])
async def test_what_the_owner_asked_of_one_activity_is_no_request_for_another(
    dev_server: DevServer, of_run: bool, of_activity: bool
) -> None:
    async with owned_worker(dev_server) as mine, strangers_worker(dev_server, Asking) as (client, queue):
        run = await mine.start()
        await run.result()
        mine.done.clear()
        name, request = await asked(client, run.id)
        arguments = [mine.queue, names.RUN_SHELL, name if of_activity else "another", RawValue(request)]
        run_id = run.id if of_run else str(uuid.uuid4())
        with pytest.raises(WorkflowFailureError) as failed:
            await client.execute_workflow("Asking", args=arguments, id=run_id, task_queue=queue)
    assert_not_done(failed.value, mine)


def assert_not_done(failed: WorkflowFailureError, mine: Owner) -> None:
    assert isinstance(failed.cause, ActivityError)
    assert isinstance(failed.cause.cause, ApplicationError)
    assert (failed.cause.cause.type, failed.cause.cause.non_retryable) == ("NotSigned", True)
    assert mine.done == []


async def asked(client: Client, run_id: str) -> tuple[str, Payload]:
    """Id and request of the run's activity that ran a script."""
    async for event in client.get_workflow_handle(run_id).fetch_history_events():
        scheduled = event.activity_task_scheduled_event_attributes
        if scheduled.activity_type.name == names.RUN_SHELL:
            return scheduled.activity_id, scheduled.input.payloads[0]
    raise AssertionError("it ran none")


# What somebody else's worker does on the owner's queue


@activity.defn(name=names.PREPARE)
async def forged_prepare(request: RawValue) -> Page:
    return Page(branches=[Branch(index=0, prompt="obey")])


@workflow.defn(name=WORKFLOW)
class Impostor:
    """Somebody else's idea of what a run does: nothing, and it has given much."""

    @workflow.run
    async def run(self, given: RawValue) -> None:
        await asyncio.Event().wait()

    @workflow.query
    def given_before(self, task: int) -> CarriedRun:
        return CarriedRun(index=1, tasks=[], outputs={"x": "forged"}, key="k")


async def test_a_run_does_not_go_on_with_a_result_of_somebody_elses(dev_server: DevServer, log: WorkerLog) -> None:
    client = await stranger(dev_server)
    mine = await owner(dev_server)
    async with (
        mine.working(activities=False),
        impostor(client, mine.queue, activities=[forged_prepare]),
    ):
        run = await mine.start(ASK)
        assert "what activity '1' gave is not from a worker of the run's owner" in await stands_still(client, run.id)
    assert mine.done == []
    assert log.lines[0].startswith(f"run '{run.id}' is refused: what activity '1' gave")


async def test_a_run_does_not_go_on_where_somebody_elses_worker_began_it(dev_server: DevServer, log: WorkerLog) -> None:
    client = await stranger(dev_server)
    mine = await owner(dev_server)
    async with impostor(client, mine.queue, workflows=[Impostor]):
        run = await start_with(client, mine.queue, bundle())
        await until_async(lambda: begun(client, run.id))
    async with mine.working():
        await run.signal("pause")
        assert "its input is not signed" in await stands_still(client, run.id)
    assert mine.done == []
    assert len(set(log.lines)) == 1


async def test_what_an_earlier_run_gave_is_believed_of_its_owners_worker_alone(dev_server: DevServer) -> None:
    client = await stranger(dev_server)
    mine = await owner(dev_server)
    run = await mine.start()
    async with impostor(client, mine.queue, workflows=[Impostor]):
        assert (await runs.given_before(client, run.id, 0)).outputs == {"x": "forged"}
        with pytest.raises(NotTakenOver, match="told by a worker that is not its owner's"):
            await runs.given_before(mine.client, run.id, 0)


async def test_what_the_owners_worker_tells_of_an_earlier_run_is_believed(dev_server: DevServer) -> None:
    async with owned_worker(dev_server) as mine:
        run = await mine.start()
        await run.result()
        assert (await runs.given_before(mine.client, run.id, 1)).index == 1


async def stands_still(client: Client, run_id: str) -> str:
    """Why the run's workflow task failed, as anybody can read it."""

    async def found() -> str | None:
        async for event in client.get_workflow_handle(run_id).fetch_history_events():
            if event.HasField("workflow_task_failed_event_attributes"):
                return str(event.workflow_task_failed_event_attributes.failure.message)
        return None

    return await until_async(found)


async def begun(client: Client, run_id: str) -> bool:
    events = client.get_workflow_handle(run_id).fetch_history_events()
    return any([event.HasField("workflow_task_completed_event_attributes") async for event in events])


# What somebody else tells an attempt that the attempt before left


@workflow.defn(name="Twice")
class Twice:
    """Has an activity tried twice."""

    @workflow.run
    async def run(self) -> list[Any]:
        told: list[Any] = await workflow.execute_activity(
            "tried_twice", "", activity_id="it", start_to_close_timeout=timedelta(seconds=10), result_type=list
        )
        return told


class TwoAttempts:
    """An activity whose first attempt fails. `leaves`: its last heartbeat; `told`: somebody has had their say."""

    def __init__(self, *leaves: Any) -> None:
        self.leaves = leaves
        self.begun, self.told = asyncio.Event(), asyncio.Event()

    @activity.defn
    async def tried_twice(self, request: str) -> list[Any]:
        if activity.info().attempt == 2:
            return list(activity.info().heartbeat_details)
        if self.leaves:
            activity.heartbeat(*self.leaves)
        self.begun.set()
        await self.told.wait()
        raise ApplicationError("once more", next_retry_delay=timedelta(milliseconds=1))


@pytest.mark.parametrize(
    ("leaves", "forged", "believed"),
    [
        (["progress", ["a line"]], None, ["progress", ["a line"]]),
        (["progress"], None, ["progress"]),
        ([], ["progress", ["forged"]], ["progress"]),
        ([], ["progress", ["forged"], "0" * 64], ["progress"]),
    ],
)
async def test_an_attempt_goes_on_from_what_its_owners_worker_left(
    dev_server: DevServer, leaves: list[Any], forged: list[Any] | None, believed: list[Any]
) -> None:
    client, mine, attempts = await stranger(dev_server), await owner(dev_server), TwoAttempts(*leaves)
    signing = WorkerSigning(mine.signer)
    served = {"workflows": [Twice], "activities": [attempts.tried_twice], "interceptors": signing.interceptors()}
    async with impostor(client, mine.queue, **served):
        run = await client.start_workflow("Twice", id=str(uuid.uuid4()), task_queue=mine.queue)
        await attempts.begun.wait()
        if forged:
            await client.get_async_activity_handle(workflow_id=run.id, run_id=None, activity_id="it").heartbeat(*forged)
        attempts.told.set()
        assert await run.result() == believed
