"""A worker executes what its owner signed, and nothing that anybody else asks of it, or tells it.

Each of these was seen to go through with one line taken away:

| attack | without |
|---|---|
| a run, a schedule, a child, a reset without a signature; another key's | `accepts` in `_may_begin` |
| the input of another run | `run_id` in `subjects.run` |
| the input of a schedule, as another one's | `schedule_id` in `subjects.scheduled` |
| a signed input in another folder | `_setup(memo)` in `subjects.run` |
| a changed input; one with other metadata | `payload.data`, `metadata` in `signature._parts` |
| a signed input with another one behind it | `len(inputs) == 1` in `_may_begin` |
| an activity that is not signed | `accepts` in `signed_activities.signed` |
| what was asked of another activity, in another run | `activity_id`, `run_id` in `subjects.activity` |
| a result that somebody else tells | the rest of `_may_go_on` after its first line |
| a run that somebody else's worker has begun | `self._doubt` in `activate`, where it was replayed |
| a question about a refused run, on another worker | `REFUSED_FLAG` in `activate` |
| control codes in the worker's log | `repr` in `_shown` |
| a forged heartbeat | `is_signed` in `_Heartbeats._checked` |
| a forged answer about an earlier run | the rest of `_SignedCalls.query_workflow` after its first lines |
"""

import asyncio
import uuid
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowFailureError,
)
from temporalio.common import RawValue
from temporalio.exceptions import ActivityError, ApplicationError, ChildWorkflowError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from grammar.documents.models import Task
from grammar.errors import NotTakenOver, NotWaiting
from grammar.messages import names
from grammar.messages.activity_requests import ShellRequest, TemplateContext
from grammar.messages.activity_results import Branch, Page
from grammar.messages.continue_as_new import CarriedRun
from grammar.messages.names import SETUP_MEMO, WORKFLOW
from grammar.model_access.process_setup import ProcessSetup
from runtime import this_process
from runtime.runs import runs, schedules
from runtime.signing.worker_signing import WorkerSigning
from tests.security.owner import (
    Owner,
    WorkerLog,
    bundle,
    failure,
    first_run,
    input_of,
    owned_worker,
    owner,
    start_with,
    stranger,
    working,
)
from tests.support.dev_server import DevServer, serving
from tests.support.waiting import until_async

NO_OWNER = "NotSigned: its input is not signed by the owner of this worker: nothing of it was executed"
ASK = Task(name="ask", agents=("who",), user_prompt="x")


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> WorkerLog:
    return WorkerLog(caplog)


# A run that somebody else starts


async def test_the_owners_run_is_executed(dev_server: DevServer, log: WorkerLog) -> None:
    async with owned_worker(dev_server) as mine:
        assert (await (await mine.start()).result()).status == "completed"
    assert mine.done == ["a script"]
    assert log.lines == []


async def test_a_run_that_is_not_signed_is_never_executed(dev_server: DevServer, log: WorkerLog) -> None:
    async with owned_worker(dev_server) as mine:
        run = await start_with(await stranger(dev_server), mine.queue, bundle())
        failed = await failure(run)
    assert str(failed).startswith(NO_OWNER)
    assert (failed.type, failed.non_retryable) == ("NotSigned", True)
    assert mine.done == []
    (line,) = log.lines
    assert line.startswith(f"run '{run.id}' is refused: its input is not signed by the owner of this worker")


async def test_what_is_told_of_a_refused_run_has_no_control_codes(dev_server: DevServer, log: WorkerLog) -> None:
    client = await stranger(dev_server, identity="\x1b[2J" * 1000)
    async with owned_worker(dev_server) as mine:
        await failure(await start_with(client, mine.queue, bundle(), run_id=f"\x1b]0;\n{uuid.uuid4()}"))
    (line,) = log.lines
    assert line.isprintable()
    assert len(line) < 600


async def test_a_run_that_another_key_signed_is_refused(dev_server: DevServer) -> None:
    other = await owner(dev_server)
    async with owned_worker(dev_server) as mine:
        other.queue = mine.queue
        assert str(await failure(await other.start())).startswith(NO_OWNER)
    assert mine.done == []


async def test_a_signed_input_is_good_for_its_own_run_alone(dev_server: DevServer) -> None:
    client = await stranger(dev_server)
    async with owned_worker(dev_server) as mine:
        run = await mine.start()
        await run.result()
        mine.done.clear()
        memo = {SETUP_MEMO: await run_setup(client, run.id)}
        stolen = await start_with(client, mine.queue, await input_of(client, run.id), memo=memo)
        assert str(await failure(stolen)).startswith(NO_OWNER)
    assert mine.done == []


@pytest.mark.parametrize("change", ["data", "metadata", "added", "folder"])
async def test_a_signed_input_is_good_as_it_was_alone(dev_server: DevServer, change: str) -> None:
    client = await stranger(dev_server)
    async with owned_worker(dev_server) as mine:
        run = await mine.start()
        await run.result()
        mine.done.clear()
        stolen = await input_of(client, run.id)
        given: list[Any] = [stolen]
        memo = {SETUP_MEMO: await run_setup(client, run.id)}
        if change == "data":
            stolen.data = stolen.data.replace(b"a script", b"my script")
        elif change == "metadata":
            stolen.metadata["taskflow-signals"] = b""
        elif change == "added":
            given.append("more")
        else:
            memo[SETUP_MEMO] = memo[SETUP_MEMO].model_copy(update={"folder": "/tmp/mine"})
        assert str(await failure(await start_with(client, mine.queue, *given, run_id=run.id, memo=memo))).startswith(
            NO_OWNER
        )
    assert mine.done == []


async def run_setup(client: Client, run_id: str) -> ProcessSetup:
    description = await client.get_workflow_handle(run_id).describe()
    setup: ProcessSetup = await description.memo_value(SETUP_MEMO, type_hint=ProcessSetup)
    return setup


async def test_a_child_of_somebody_elses_run_is_refused(dev_server: DevServer) -> None:
    async with owned_worker(dev_server) as mine, strangers_worker(dev_server) as (client, queue):
        with pytest.raises(WorkflowFailureError) as failed:
            await client.execute_workflow("Parent", args=[mine.queue, bundle()], id=str(uuid.uuid4()), task_queue=queue)
    child = failed.value.cause
    assert isinstance(child, ChildWorkflowError)
    assert str(child.cause).startswith(NO_OWNER)
    assert mine.done == []


async def test_a_refused_run_is_refused_after_a_reset(dev_server: DevServer) -> None:
    client = await stranger(dev_server)
    async with owned_worker(dev_server) as mine:
        run = await start_with(client, mine.queue, bundle())
        await failure(run)
        request = ResetWorkflowExecutionRequest(
            namespace="default", workflow_task_finish_event_id=4, request_id=str(uuid.uuid4())
        )
        request.workflow_execution.workflow_id = run.id
        again = await client.workflow_service.reset_workflow_execution(request)
        assert str(await failure(client.get_workflow_handle(run.id, run_id=again.run_id))).startswith(NO_OWNER)
    assert mine.done == []


async def test_a_refused_run_says_why_also_to_a_worker_that_comes_later(dev_server: DevServer) -> None:
    client = await stranger(dev_server)
    mine = await owner(dev_server)
    async with mine.working():
        run = await start_with(client, mine.queue, bundle())
        await failure(run)
        with pytest.raises(NotWaiting, match=f"run {run.id} was refused: its input is not signed"):
            await runs.report(client, run.id)
    async with mine.working():
        with pytest.raises(NotWaiting, match=f"run {run.id} was refused: its input is not signed"):
            await runs.manifest(client, run.id)
    report = await runs.outcome(runs.handle(client, run.id), bundle())
    assert report.failure and report.failure.type == "NotSigned"


async def test_unsigned_runs_are_taken_where_the_worker_is_told_to(
    dev_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKFLOW_UNSIGNED_RUNS", "1")
    async with owned_worker(dev_server) as mine:
        assert await (await start_with(await stranger(dev_server), mine.queue, bundle())).result()
    assert mine.done == ["a script"]


async def test_a_run_goes_on_in_a_new_history_which_is_signed(tmp_path: Path) -> None:
    short = ("--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=60")
    each = Task(name="each", over="x", agents=("who",), user_prompt="x")
    with serving(tmp_path, *short) as server:
        client = await stranger(server)
        async with owned_worker(server) as mine:
            mine.fakes.items = {"each": list(range(20))}
            run = await mine.start(each)
            assert (await run.result()).status == "completed"
            histories = [one.run_id async for one in client.list_workflows(f'WorkflowId = "{run.id}"')]
            assert len(histories) > 1
            mine.done.clear()
            memo = {SETUP_MEMO: await run_setup(client, run.id)}
            stolen = await start_with(client, mine.queue, await input_of(client, run.id), memo=memo)
            assert str(await failure(stolen)).startswith(NO_OWNER)
    assert mine.done == []


# Schedules


async def test_the_owners_schedule_is_executed(dev_server: DevServer) -> None:
    mine = await owner(dev_server)
    schedule = f"night-{uuid.uuid4()}"
    await schedules.make(mine.client, bundle(), schedule, "@yearly")
    handle = mine.client.get_schedule_handle(schedule)
    async with working(mine.client, names.TASK_QUEUE, mine.fakes, mine.signer):
        await handle.trigger()
        await mine.client.get_workflow_handle(await first_run(mine.client, schedule)).result()
    assert mine.done == ["a script"]
    await handle.delete()


async def test_somebody_elses_schedule_is_refused(dev_server: DevServer) -> None:
    client = await stranger(dev_server)
    mine = await owner(dev_server)
    signed, unsigned = f"night-{uuid.uuid4()}", f"night-{uuid.uuid4()}"
    await schedules.make(mine.client, bundle(), signed, "@yearly")
    action = (await client.get_schedule_handle(signed).describe()).schedule.action
    assert isinstance(action, ScheduleActionStartWorkflow)
    for given in (bundle(), RawValue(action.args[0])):
        memo = {SETUP_MEMO: this_process.setup()}
        start = ScheduleActionStartWorkflow(WORKFLOW, given, id=unsigned, task_queue=mine.queue, memo=memo)
        handle = await client.create_schedule(unsigned, Schedule(start, ScheduleSpec()), trigger_immediately=True)
        async with mine.working():
            run = await first_run(client, unsigned)
            assert str(await failure(client.get_workflow_handle(run))).startswith(NO_OWNER)
        await handle.delete()
    assert mine.done == []
    await client.get_schedule_handle(signed).delete()


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


@workflow.defn(name="Parent")
class Parent:
    """Somebody else's workflow, which starts a run as its child."""

    @workflow.run
    async def run(self, queue: str, given: RawValue) -> RawValue:
        given_back: RawValue = await workflow.execute_child_workflow(
            WORKFLOW, given, task_queue=queue, result_type=RawValue
        )
        return given_back


def strangers_worker(server: DevServer) -> "StrangersWorker":
    return StrangersWorker(server)


class StrangersWorker:
    """A worker of somebody else's, with workflows of their own. Yields their client, and their queue."""

    def __init__(self, server: DevServer) -> None:
        self._server = server
        self._queue = str(uuid.uuid4())

    async def __aenter__(self) -> tuple[Client, str]:
        client = await stranger(self._server)
        self._worker = Worker(
            client, task_queue=self._queue, workflows=[Asking, Parent], workflow_runner=UnsandboxedWorkflowRunner()
        )
        await self._worker.__aenter__()
        return client, self._queue

    async def __aexit__(self, *error: Any) -> None:
        await self._worker.__aexit__(*error)


SHELL = ShellRequest(script="rm", surroundings=TemplateContext(key="0"))


async def test_an_activity_that_no_run_of_the_owners_asks_for_does_nothing(
    dev_server: DevServer, log: WorkerLog
) -> None:
    async with owned_worker(dev_server) as mine, strangers_worker(dev_server) as (client, queue):
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
    async with owned_worker(dev_server) as mine, strangers_worker(dev_server) as (client, queue):
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
        Worker(client, task_queue=mine.queue, activities=[forged_prepare]),
    ):
        run = await mine.start(ASK)
        assert "what activity '1' gave is not from a worker of the run's owner" in await stands_still(client, run.id)
    assert mine.done == []
    assert log.lines[0].startswith(f"run '{run.id}' is refused: what activity '1' gave")


async def test_a_run_does_not_go_on_where_somebody_elses_worker_began_it(dev_server: DevServer, log: WorkerLog) -> None:
    client = await stranger(dev_server)
    mine = await owner(dev_server)
    async with Worker(client, task_queue=mine.queue, workflows=[Impostor], workflow_runner=UnsandboxedWorkflowRunner()):
        run = await start_with(client, mine.queue, bundle())
        await until_async(lambda: begun(client, run.id))
    async with mine.working():
        await run.signal("pause")
        assert "its input is not signed" in await stands_still(client, run.id)
    assert mine.done == []
    assert len(log.lines) == 1


async def test_what_an_earlier_run_gave_is_believed_of_its_owners_worker_alone(dev_server: DevServer) -> None:
    client = await stranger(dev_server)
    mine = await owner(dev_server)
    run = await mine.start()
    async with Worker(client, task_queue=mine.queue, workflows=[Impostor], workflow_runner=UnsandboxedWorkflowRunner()):
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
    async with Worker(
        client, task_queue=mine.queue, workflows=[Twice], activities=[attempts.tried_twice],
        interceptors=signing.interceptors(), workflow_runner=UnsandboxedWorkflowRunner(),
    ):  # fmt: skip
        run = await client.start_workflow("Twice", id=str(uuid.uuid4()), task_queue=mine.queue)
        await attempts.begun.wait()
        if forged:
            await client.get_async_activity_handle(workflow_id=run.id, run_id=None, activity_id="it").heartbeat(*forged)
        attempts.told.set()
        assert await run.result() == believed
