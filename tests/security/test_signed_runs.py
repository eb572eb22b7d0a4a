"""A worker executes what its owner signed, and no run that anybody else starts: by hand, by a schedule, as a child."""

import uuid
from pathlib import Path
from typing import Any

import pytest
from temporalio import workflow
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowFailureError,
)
from temporalio.common import RawValue
from temporalio.exceptions import ChildWorkflowError

from grammar.documents.models import Task
from grammar.errors import NotWaiting
from grammar.messages import names
from grammar.messages.names import SETUP_MEMO, WORKFLOW
from grammar.model_access.process_setup import ProcessSetup
from runtime import this_process
from runtime.runs import runs, schedules
from tests.security.owner import (
    WorkerLog,
    bundle,
    failure,
    first_run,
    input_of,
    owned_worker,
    owner,
    start_with,
    stranger,
    strangers_worker,
    working,
)
from tests.support.dev_server import DevServer, serving

NO_OWNER = "NotSigned: its input is not signed by the owner of this worker: nothing of it was executed"


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


@workflow.defn(name="Parent")
class Parent:
    """Somebody else's workflow, which starts a run as its child."""

    @workflow.run
    async def run(self, queue: str, given: RawValue) -> RawValue:
        given_back: RawValue = await workflow.execute_child_workflow(
            WORKFLOW, given, task_queue=queue, result_type=RawValue
        )
        return given_back


async def test_a_child_of_somebody_elses_run_is_refused(dev_server: DevServer) -> None:
    async with owned_worker(dev_server) as mine, strangers_worker(dev_server, Parent) as (client, queue):
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
