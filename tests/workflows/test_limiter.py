"""The workflow that deals out what an endpoint takes, on the server that skips time."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowExecutionStatus, WorkflowHandle
from temporalio.service import RPCError
from temporalio.testing import WorkflowEnvironment
from temporalio.worker import Worker

from grammar.documents.model_reach import EndpointLimits
from grammar.messages.limiter import Hold, LimiterState, Share, ShareRequest
from grammar.messages.names import HOLD, LIMITER, SHARE
from runtime.sandbox import workflow_runner
from tests.workflows.conftest import FlowRunner
from tests.workflows.test_continue_as_new import short
from workflows.limiter import EndpointLimiter

__all__ = ["short"]
pytestmark = pytest.mark.asyncio(loop_scope="session")
Handle = WorkflowHandle[Any, Any]
ASKS = ShareRequest(process="a", limits=EndpointLimits(requests_per_minute=60), waiting=3)


@asynccontextmanager
async def running(env: WorkflowEnvironment) -> AsyncIterator[Handle]:
    """A limiter, while no time is skipped."""
    queue = str(uuid.uuid4())
    with env.auto_time_skipping_disabled():
        async with Worker(env.client, task_queue=queue, workflows=[EndpointLimiter], workflow_runner=workflow_runner()):
            run = await env.client.start_workflow(LIMITER, LimiterState(), id=queue, task_queue=queue)
            yield run
            with suppress(RPCError):  # it has ended
                await env.client.get_workflow_handle(run.id).terminate()


async def ask(run: Handle, **fields: Any) -> Share:
    share: Share = await run.execute_update(SHARE, ASKS.model_copy(update=fields), result_type=Share)
    return share


async def test_shares_of_processes_do_not_overlap(environment: WorkflowEnvironment) -> None:
    async with running(environment) as run:
        first, second = await ask(run), await ask(run, process="b")
    assert (first.slots, second.slots) == (3, 3)
    assert first.first == pytest.approx(0, abs=0.5)
    assert second.first == pytest.approx(3 * first.every, abs=1)


async def test_all_are_held(environment: WorkflowEnvironment) -> None:
    async with running(environment) as run:
        await ask(run)
        await run.signal(HOLD, Hold(seconds=30))
        share = await ask(run)
    assert share.slots == 0
    assert share.hold == pytest.approx(30, abs=2)


async def test_it_begins_anew_before_its_history_is_long_and_knows_what_it_knew(short: FlowRunner) -> None:
    async with running(short.env) as run:
        await run.signal(HOLD, Hold(seconds=1000))
        for number in range(20):
            share = await ask(run, process=str(number % 3))
        newest = await short.env.client.get_workflow_handle(run.id).describe()
        assert newest.run_id != run.first_execution_run_id
        assert share.hold > 900


async def test_it_ends_where_nobody_asks_any_more(environment: WorkflowEnvironment) -> None:
    async with running(environment) as run:
        await run.signal(HOLD, Hold(seconds=3600))
        began = (await run.describe()).start_time
        await environment.sleep(timedelta(hours=3))
        described = await run.describe()
    assert described.status == WorkflowExecutionStatus.COMPLETED
    assert described.close_time
    assert timedelta(hours=1) <= described.close_time - began < timedelta(hours=1.5)
