"""Who answers for a run: workers tell of themselves, and a run of its starter."""

import os
import uuid
from pathlib import Path
from typing import Any

import pytest
from temporalio import activity
from temporalio.api.enums.v1 import TaskQueueType
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

from grammar.documents.models import Task
from grammar.messages.run_bundle import Bundle
from grammar.model_access.process_setup import WorkerIdentity
from runtime import this_process
from runtime.runs import pollers, runs, serving
from tests.support.dev_server import DevServer
from tests.support.waiting import until_async

FLOW = Bundle(name="flow", source="flow.yaml", tasks=[Task(agents=("who",), user_prompt="x")], hash="h")


@activity.defn
async def nothing() -> None: ...


async def connected(server: DevServer) -> Client:
    return await Client.connect(server.address, data_converter=pydantic_data_converter)


async def test_workers_tell_what_they_run_with(
    dev_server: DevServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    client, queue = await connected(dev_server), str(uuid.uuid4())
    monkeypatch.setenv("AI_API_ENDPOINT", "https://me:secret@a.example/v1")
    monkeypatch.chdir(tmp_path)
    mine = WorkerIdentity(os.getpid(), this_process.setup())
    dead = mine._replace(pid=2**22 - 1)
    options: dict[str, Any] = {"task_queue": queue, "activities": [nothing]}
    async with (
        Worker(client, **options, identity=this_process.worker_identity()),
        Worker(await connected(dev_server), **options, identity=str(dead)),
        Worker(await connected(dev_server), **options, identity="4711@of-an-older-version"),
    ):

        async def found() -> list[WorkerIdentity]:
            known = await pollers.known(client, queue, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
            return await pollers.workers(client, queue) if len({poller.identity for poller in known}) == 3 else []

        # Whose worker it is, its identity does not say.
        assert await until_async(found) == [mine._replace(setup=mine.setup.model_copy(update={"user": ""}))]
    assert (mine.setup.folder, mine.setup.endpoint) == (str(tmp_path), "https://a.example/v1")


async def test_a_run_records_what_it_was_started_with(dev_server: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    client, run_id = await connected(dev_server), str(uuid.uuid4())
    monkeypatch.setenv("AI_API_ENDPOINT", "https://me:secret@a.example/v1")
    monkeypatch.setenv("AI_API_TOKEN", "secret")
    handle = await runs.start(client, FLOW, run_id, "nobody")
    started = await serving.started_with(await handle.describe())
    assert started == this_process.setup()
    assert b"secret" not in (await handle.describe()).raw_description.SerializeToString()
    assert await serving.differences_of(client, run_id, started) == []
    monkeypatch.setenv("AI_API_ENDPOINT", "https://b.example/v1")
    (difference,) = await serving.differences_of(client, run_id, this_process.setup())
    assert difference.what == "endpoint"


async def test_a_run_of_before_is_told_nothing_of(dev_server: DevServer) -> None:
    client, run_id = await connected(dev_server), str(uuid.uuid4())
    await client.start_workflow("TaskflowWorkflow", FLOW, id=run_id, task_queue="nobody")
    assert await serving.differences_of(client, run_id, this_process.setup()) == []


def test_a_worker_whose_folder_was_removed_still_tells_of_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "x").mkdir()
    monkeypatch.chdir(tmp_path / "x")
    (tmp_path / "x").rmdir()
    assert this_process.setup().folder == ""
