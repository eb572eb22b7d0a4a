"""Which runs go first where workers are busy: by priority, and then each in its turn."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from temporalio import activity
from temporalio.client import Client
from temporalio.worker import Worker

from grammar.documents.models import Task
from grammar.messages import names
from grammar.messages.activity_requests import ShellRequest
from grammar.messages.activity_results import BranchResult
from grammar.messages.names import fairness_key
from grammar.messages.run_bundle import Bundle
from runtime.local_server.supervisor import SETTINGS
from runtime.runs import runs, schedules
from runtime.runs.runs import Handle
from runtime.sandbox import workflow_runner
from runtime.storage.converter import data_converter
from tests.support.dev_server import DevServer, serving
from tests.support.waiting import until_async
from tests.workflows.conftest import Fakes, said
from workflows.taskflow import TaskflowWorkflow

FLOW = Bundle(name="night", source="night.yaml", tasks=[Task(name="one", run="true")], hash="abc", priority=2)


@pytest.fixture
async def client(dev_server: DevServer) -> Client:
    return await Client.connect(dev_server.address, data_converter=data_converter(None))


async def test_a_run_has_its_priority_and_a_key_of_its_own(client: Client) -> None:
    for run_id in (f"short-{uuid.uuid4()}", f"{'länger' * 20}-{uuid.uuid4()}"):
        handle = await runs.start(client, FLOW, run_id, "nobody")
        told = (await handle.describe()).raw_description.workflow_execution_info.priority
        assert (told.priority_key, told.fairness_key) == (2, fairness_key(run_id))
        assert len(told.fairness_key.encode()) <= 64
        await handle.terminate()
    name = f"nightly-{uuid.uuid4()}"
    await schedules.make(client, FLOW, name, "0 6 * * *", "nobody")
    action = (await client.get_schedule_handle(name).describe()).schedule.action
    assert getattr(action, "priority", None) == runs.priority(FLOW, name)


@pytest.fixture
async def fair(tmp_path: Path) -> AsyncIterator[Client]:
    """A server that is configured as the embedded one is."""
    options = (f"{name}={json.dumps(value)}" for name, value in SETTINGS.items() if name.startswith("matching."))
    with serving(tmp_path, *(part for option in options for part in ("--dynamic-config-value", option))) as server:
        yield await Client.connect(server.address, data_converter=data_converter(None))


def flow(name: str) -> Bundle:
    task = Task(name=name, over="x", async_=True, async_limit=100, run=name)
    return Bundle(name=name, source=name, tasks=[task], hash=name)


async def test_a_small_run_is_served_beside_a_large_one(fair: Client) -> None:
    """One branch at a time: of the large run's 100, which all wait, most are not done when the small one's 5 are."""
    queue, go, done = str(uuid.uuid4()), asyncio.Event(), list[str]()
    fakes = Fakes(items={"large": list(range(100)), "small": list(range(5))})

    @activity.defn(name=names.RUN_SHELL)
    async def run_shell(request: ShellRequest) -> BranchResult:
        await go.wait()
        done.append(request.script)
        return said("")

    async def started(name: str, waiting: int) -> Handle:
        run = await runs.start(fair, flow(name), f"{name}-{queue}", queue)

        async def waits() -> bool:
            return len((await run.describe()).raw_description.pending_activities) == waiting

        await until_async(waits)
        return run

    workflows = Worker(fair, task_queue=queue, workflows=[TaskflowWorkflow], workflow_runner=workflow_runner())
    activities = Worker(fair, task_queue=queue, activities=[fakes.prepare, run_shell], max_concurrent_activities=1)
    async with workflows, activities:
        large, small = await started("large", 100), await started("small", 1)
        go.set()
        await small.result()
        left = 100 - done.count("large")
        await large.result()
    assert left > 20
