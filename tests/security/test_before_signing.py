"""Runs of before there were signatures: they go on, and nobody can pass for one."""

import uuid
from dataclasses import dataclass
from pathlib import Path

import pytest
from temporalio.api.workflowservice.v1 import ResetWorkflowExecutionRequest

from grammar.documents.models import Task
from grammar.messages.names import SETUP_MEMO
from grammar.messages.reports import Decision
from runtime import before_signing, this_process
from runtime.runs import runs, signals
from runtime.signing.signed_client import signed
from tests.security.owner import Failing, Owner, bundle, failure, input_of, owner, parked, start_with, stranger, working
from tests.support.dev_server import DevServer
from tests.support.waiting import until_async

PARKS = Task(name="parks", run="fails at first", must_complete=True)
TASKS = (Task(name="one", run="one"), PARKS, Task(name="two", run="two"))


@pytest.fixture(name="dev_server")
def _dev_server(lone_server: DevServer) -> DevServer:
    """One without the runs of other tests, whose payloads are elsewhere."""
    return lone_server


@dataclass
class Older:
    """What a version of before there were signatures left: an open run, and one that is over. `script`: the one that
    is parked."""

    owner: Owner
    open: runs.Handle
    over: runs.Handle
    script: Failing


@pytest.fixture
async def older(dev_server: DevServer) -> Older:
    mine, script = await owner(dev_server), Failing(PARKS.run or "")
    mine.fakes.shell = script
    mine.client = await stranger(dev_server)
    async with working(mine.client, mine.queue, mine.fakes, None):
        is_open = await mine.start(*TASKS)
        is_over = await mine.start()
        await is_over.result()
        await until_async(lambda: parked(mine.client, is_open.id))
    mine.done.clear()
    return Older(mine, is_open, is_over, script)


async def test_an_open_run_of_before_goes_on(older: Older, tmp_path: Path) -> None:
    mine = older.owner
    mine.signer = await before_signing.owner(mine.client, tmp_path)
    older.script.mend()
    async with mine.working():
        await signals.decide(older.open, Decision(action="retry"))
        assert (await older.open.result()).status == "completed"
    assert mine.done == [PARKS.run, "two"]


async def test_an_activity_that_was_asked_for_before_is_done(dev_server: DevServer, tmp_path: Path) -> None:
    mine = await owner(dev_server)
    mine.client = await stranger(dev_server)
    async with working(mine.client, mine.queue, mine.fakes, None, activities=False):
        run = await mine.start()
        await until_async(lambda: asked(run))
    mine.signer = await before_signing.owner(mine.client, tmp_path)
    async with mine.working():
        await run.result()
    assert mine.done == ["a script"]


async def asked(run: runs.Handle) -> bool:
    return any(
        [event.HasField("activity_task_scheduled_event_attributes") async for event in run.fetch_history_events()]
    )


async def test_of_a_run_that_was_over_people_may_ask(older: Older, tmp_path: Path) -> None:
    mine = older.owner
    signer = mine.signer = await before_signing.owner(mine.client, tmp_path)
    async with mine.working():
        assert (await runs.report(mine.client, older.over.id)).status == "completed"
        assert (await runs.given_before(signed(mine.client, signer), older.over.id, 1)).index == 1


async def test_a_run_that_was_over_is_not_done_again(older: Older, tmp_path: Path) -> None:
    mine = older.owner
    mine.signer = await before_signing.owner(mine.client, tmp_path)
    request = ResetWorkflowExecutionRequest(
        namespace="default", workflow_task_finish_event_id=4, request_id=str(uuid.uuid4())
    )
    request.workflow_execution.workflow_id = older.over.id
    async with mine.working():
        again = await mine.client.workflow_service.reset_workflow_execution(request)
        run = mine.client.get_workflow_handle(older.over.id, run_id=again.run_id)
        assert "nothing of it was executed" in str(await failure(run))
    assert mine.done == []


async def test_a_run_that_was_started_after_the_key_was_made_is_not_of_before(older: Older, tmp_path: Path) -> None:
    mine = older.owner
    mine.signer = await before_signing.owner(mine.client, tmp_path)
    stolen = await input_of(mine.client, older.open.id)
    await older.open.terminate()
    async with mine.working():
        for run_id in (older.open.id, older.over.id, str(uuid.uuid4())):
            memo = {SETUP_MEMO: this_process.setup()}
            run = await start_with(mine.client, mine.queue, stolen, run_id=run_id, memo=memo)
            assert "nothing of it was executed" in str(await failure(run))
    assert mine.done == []


async def test_what_is_believed_is_found_once_and_for_all(older: Older, tmp_path: Path) -> None:
    mine = older.owner
    first = await before_signing.owner(mine.client, tmp_path)
    await start_with(mine.client, mine.queue, bundle())
    assert first.before
    assert await before_signing.owner(mine.client, tmp_path) == first
