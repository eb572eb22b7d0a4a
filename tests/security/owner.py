"""A worker that executes what its owner signed, on a server that anybody can reach, and what is on its way to it."""

import asyncio
import logging
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, ScheduleActionExecutionStartWorkflow, WorkflowFailureError, WorkflowHandle
from temporalio.common import RawValue
from temporalio.exceptions import ApplicationError
from temporalio.worker import UnsandboxedWorkflowRunner, Worker

from grammar.documents.models import Personality, Task
from grammar.messages.activity_requests import ShellRequest
from grammar.messages.activity_results import BranchResult
from grammar.messages.names import WORKFLOW
from grammar.messages.run_bundle import Bundle
from runtime.runs import runs
from runtime.signing import keys
from runtime.signing.signature import Signer
from runtime.signing.signed_client import signed
from runtime.signing.worker_signing import WorkerSigning
from runtime.storage.converter import data_converter
from tests.support.dev_server import DevServer
from tests.support.waiting import until_async
from tests.workflows.conftest import Fakes, said
from workflows.taskflow import TaskflowWorkflow

# Seconds, which no run of these tests takes.
STANDS_STILL = 40.0
SCRIPT = Task(name="one", run="a script")


def bundle(*tasks: Task) -> Bundle:
    return Bundle(
        name="flow",
        source="flow.yaml",
        tasks=list(tasks or [SCRIPT]),
        personalities={"who": Personality()},
        hash="h",
        meaning=2,
    )


async def stranger(server: DevServer, **options: Any) -> Client:
    """Whoever can reach the server, and has no key."""
    return await Client.connect(server.address, data_converter=data_converter(None), **options)


@dataclass
class Owner:
    """A worker on a queue of its own, with faked activities, and its owner's client. `done`: what was executed."""

    client: Client
    signer: Signer
    queue: str
    fakes: Fakes

    @property
    def done(self) -> list[str]:
        return self.fakes.deployed

    async def start(self, *tasks: Task, run_id: str = "") -> runs.Handle:
        return await runs.start(self.client, bundle(*tasks), run_id or str(uuid.uuid4()), self.queue)

    @asynccontextmanager
    async def working(self, activities: bool = True) -> AsyncIterator[None]:
        """Serve the queue for the length of the block."""
        async with working(self.client, self.queue, self.fakes, self.signer, activities):
            yield


class WorkerLog:
    """What workers say of signatures."""

    def __init__(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.WARNING, "taskflow.signing")
        self._caplog = caplog

    @property
    def lines(self) -> list[str]:
        return [record.getMessage() for record in self._caplog.records if record.name == "taskflow.signing"]


class Failing:
    """Scripts that fail until they are mended."""

    def __init__(self, *scripts: str) -> None:
        self._scripts = set(scripts)

    def __call__(self, request: ShellRequest) -> BranchResult:
        if request.script in self._scripts:
            raise ApplicationError("not yet", type="ShellFailed", non_retryable=True)
        return said(request.script)

    def mend(self) -> None:
        self._scripts.clear()


async def parked(client: Client, run_id: str) -> bool:
    return (await runs.report(client, run_id)).status == "parked"


@asynccontextmanager
async def working(
    client: Client, queue: str, fakes: Fakes, signer: Signer | None, activities: bool = True
) -> AsyncIterator[None]:
    """Serve the queue for the length of the block. `signer` None: as a version of before there were signatures.

    It keeps no run in mind: each task of an open one replays it.
    """
    signing = WorkerSigning(signer)
    served = signing.activities(fakes.prepare, fakes.run_agent, fakes.run_shell, fakes.gather)
    async with Worker(
        client,
        task_queue=queue,
        workflows=[TaskflowWorkflow],
        activities=served if activities else [],
        interceptors=signing.interceptors(),
        workflow_runner=signing.workflow_runner(),
        max_cached_workflows=0,
    ):
        yield


def impostor(client: Client, queue: str, **served: Any) -> Worker:
    """Somebody else's worker on the queue. `served`: its workflows, or its activities."""
    return Worker(
        client, task_queue=queue, workflow_runner=UnsandboxedWorkflowRunner(), max_cached_workflows=0, **served
    )


@asynccontextmanager
async def strangers_worker(server: DevServer, *workflows: type) -> AsyncIterator[tuple[Client, str]]:
    """Serve a queue of somebody else's with workflows of their own. Yields their client, and the queue."""
    client, queue = await stranger(server), str(uuid.uuid4())
    async with impostor(client, queue, workflows=workflows):
        yield client, queue


async def owner(server: DevServer, signer: Signer | None = None) -> Owner:
    signer = signer or keys.new()
    return Owner(signed(await stranger(server), signer), signer, str(uuid.uuid4()), Fakes())


@asynccontextmanager
async def owned_worker(server: DevServer, signer: Signer | None = None) -> AsyncIterator[Owner]:
    made = await owner(server, signer)
    async with made.working():
        yield made


async def input_of(client: Client, run_id: str) -> Payload:
    """What the run was started with, as anybody can read it."""
    async for event in client.get_workflow_handle(run_id).fetch_history_events():
        payload: Payload = event.workflow_execution_started_event_attributes.input.payloads[0]
        return payload
    raise AssertionError("it has no history")


async def start_with(
    client: Client, queue: str, *arguments: Any, run_id: str = "", **options: Any
) -> WorkflowHandle[Any, Any]:
    """Start a run as anybody can. A payload is sent as it is."""
    given = [RawValue(one) if isinstance(one, Payload) else one for one in arguments]
    handle: WorkflowHandle[Any, Any] = await client.start_workflow(
        WORKFLOW, args=given, id=run_id or str(uuid.uuid4()), task_queue=queue, **options
    )
    return handle


async def failure(handle: WorkflowHandle[Any, Any]) -> ApplicationError:
    """What the run failed with. It may stand still instead, and then this does not wait for ever."""
    try:
        async with asyncio.timeout(STANDS_STILL):
            report = await handle.result()
    except WorkflowFailureError as error:
        assert isinstance(error.cause, ApplicationError)
        return error.cause
    raise AssertionError(f"it did not fail: {report}")


async def first_run(client: Client, schedule: str) -> str:
    """The id of the first run that the schedule has started."""

    async def found() -> str | None:
        actions = [
            result.action for result in (await client.get_schedule_handle(schedule).describe()).info.recent_actions
        ]
        return next((one.workflow_id for one in actions if isinstance(one, ScheduleActionExecutionStartWorkflow)), None)

    return await until_async(found)
