"""What the server holds of a run, for whoever looks without asking it: in each state, one word, and the right one."""

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
import pytest_asyncio
from temporalio.api.sdk.v1 import WorkflowMetadata
from temporalio.client import Client
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from grammar.documents.budget import Budget, ConfirmOver
from grammar.documents.models import Personality, Task
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult, Leg, PendingCall, Usage
from grammar.messages.names import STATUS_ATTRIBUTE
from grammar.messages.reports import RunStatus
from grammar.messages.run_bundle import Bundle
from runtime.runs import run_list, runs, standing
from runtime.runs.run_list import RunFilter
from runtime.storage.converter import data_converter
from tests.support.dev_server import DevServer
from tests.support.waiting import until_async
from tests.workflows.conftest import FlowRunner, ask, flow_runner, said

pytestmark = pytest.mark.asyncio(loop_scope="session")
Handle = runs.Handle


async def holds(request: AgentRequest) -> BranchResult:
    await asyncio.Event().wait()
    return said("never")


def limited(request: AgentRequest) -> BranchResult:
    return BranchResult(leg=Leg(reason="rate_limited", delay=600, message="429 slow down"))


def asks(request: AgentRequest) -> BranchResult:
    return BranchResult(leg=Leg(state={}, calls=[PendingCall(id="c", tool="rm", toolbox="box", arguments="{}")]))


def fails(request: AgentRequest) -> BranchResult:
    raise ApplicationError("no good", type="BadRequest", non_retryable=True)


def works(request: AgentRequest) -> BranchResult:
    return said("done")


def spends(request: AgentRequest) -> BranchResult:
    return said("dear").model_copy(update={"usage": Usage(requests=5)})


AGENTS: dict[RunStatus, Callable[[AgentRequest], Any]] = {
    "running": holds, "rate_limited": limited, "waiting_approval": asks, "paused": holds, "parked": fails,
    "completed": works, "completed_with_failures": fails, "failed": fails,
}  # fmt: skip
FIELDS: dict[RunStatus, dict[str, Any]] = {
    "parked": {"must_complete": True},
    "failed": {"must_complete": True, "on_failure": "fail"},
}


@pytest_asyncio.fixture(loop_scope="session")
async def served(dev_server: DevServer) -> AsyncIterator[FlowRunner]:
    """A worker on a real server: the test server that skips time has no search attributes of ours."""
    client = await Client.connect(dev_server.address, data_converter=data_converter(None))
    async with flow_runner(WorkflowEnvironment.from_client(client)) as runner:
        yield runner


async def start(runner: FlowRunner, status: RunStatus) -> Handle:
    """A run that comes to stand so, started as the starter does."""
    runner.fakes.agent = AGENTS[status]
    tasks: list[Task] = [ask("t", **FIELDS.get(status, {}))]
    bundle = Bundle(name="flow", source="flow.yaml", tasks=tasks, personalities={"who": Personality()}, hash="h")
    handle = await runs.start(runner.env.client, bundle, runner.queue, runner.queue)
    if status == "paused":
        await handle.signal("pause")
    return handle


async def attribute(handle: Handle, status: RunStatus) -> bool:
    found = (await handle.describe()).typed_search_attributes
    return status in [pair.value for pair in found if pair.key.name == STATUS_ATTRIBUTE]


async def views(client: Client, handle: Handle) -> dict[str, str]:
    """Each place where the status stands, and what stands there; with `_` for a space."""
    run = await handle.describe()
    metadata: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    details = metadata.current_details.splitlines()[0]
    return {
        "memo": (await standing.overview(run)).state,
        "Web UI": details.strip("*").replace(" ", "_"),
        "list": (await standing.line(client, run)).status,
        "status": (await runs.report(client, handle.id)).status,
    }


async def is_found(client: Client, run_id: str, status: RunStatus) -> bool:
    return run_id in [line.id for line in await run_list.listed(client, RunFilter(status=status, limit=1000))]


async def check(runner: FlowRunner, handle: Handle, status: RunStatus) -> None:
    client = runner.env.client
    await until_async(lambda: attribute(handle, status))
    assert await views(client, handle) == dict.fromkeys(("memo", "Web UI", "list", "status"), status)
    await until_async(lambda: is_found(client, handle.id, status))
    summary = await (await handle.describe()).static_summary()
    assert summary == "taskflow flow", "what is never written anew tells no status"


@pytest.mark.parametrize("status", AGENTS)
async def test_each_state(served: FlowRunner, status: RunStatus) -> None:
    handle = await start(served, status)
    await check(served, handle, status)
    if status in ("running", "rate_limited", "waiting_approval", "paused", "parked"):
        await handle.terminate()


@pytest.mark.parametrize(
    ("status", "flow"),
    [("parked", {"budget": Budget(requests=1)}), ("waiting_approval", {"confirm_over": ConfirmOver(items=1)})],
    ids=["at its budget", "before a fan-out"],
)
async def test_one_that_is_held_up_by_its_cost(served: FlowRunner, status: RunStatus, flow: dict[str, Any]) -> None:
    served.fakes.agent, served.fakes.items["each"] = spends, [1, 2, 3]
    bundle = Bundle(
        name="flow", source="flow.yaml", tasks=[ask("each", over="x")], personalities={"who": Personality()}, hash="h",
        **flow,
    )  # fmt: skip
    handle = await runs.start(served.env.client, bundle, served.queue, served.queue)
    await check(served, handle, status)
    await handle.terminate()


@pytest.mark.parametrize("before", ["rate_limited", "waiting_approval", "parked"])
async def test_a_run_that_is_cancelled_does_not_stay_what_it_was(served: FlowRunner, before: RunStatus) -> None:
    handle = await start(served, before)
    await until_async(lambda: attribute(handle, before))
    await handle.cancel()
    await check(served, handle, "cancelled")
