"""The limiter of an endpoint, on a real server: shared by an owner's workers, and started by nobody else for them.

| attack | seen to go through without |
|---|---|
| a limiter that somebody else starts in the place of ours | `_may_begin` in `_SignedWorkflow` |
"""

import asyncio
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle
from temporalio.exceptions import ApplicationError
from temporalio.worker import Worker

from activities.endpoint_limits import limiter_client
from activities.endpoint_limits.limiter_client import LimiterClient, limiter_id
from grammar.documents.model_reach import EndpointLimits
from grammar.messages.limiter import LimiterState, Share, ShareRequest
from grammar.messages.names import LIMITER
from runtime.runs import executions, run_list, runs
from runtime.runs.run_list import RunFilter
from runtime.signing.worker_signing import WorkerSigning
from tests.security.owner import Owner, owner, stranger
from tests.support.dev_server import DevServer
from tests.support.waiting import until_async
from workflows.limiter import EndpointLimiter

SECRET = "https://models.example.com/v1\nthe-key-of-the-tests"


def asks(process: str, waiting: int = 3) -> ShareRequest:
    return ShareRequest(process=process, limits=EndpointLimits(requests_per_minute=60), waiting=waiting)


@asynccontextmanager
async def serving(mine: Owner) -> AsyncIterator[None]:
    runner = WorkerSigning(mine.signer).workflow_runner()
    async with Worker(mine.client, task_queue=mine.queue, workflows=[EndpointLimiter], workflow_runner=runner):
        yield


async def limiters(mine: Owner, secret: str) -> tuple[LimiterClient, LimiterClient]:
    """Those of two processes, each with a client of its own."""
    return LimiterClient(mine.client, secret, mine.queue), LimiterClient(mine.client, secret, mine.queue)


@pytest.mark.parametrize("signed_signals", ["", "1"])
async def test_two_processes_have_one_limiter(
    dev_server: DevServer, monkeypatch: pytest.MonkeyPatch, signed_signals: str
) -> None:
    monkeypatch.setenv("TASKFLOW_SIGNED_SIGNALS", signed_signals)
    mine, secret = await owner(dev_server), f"{SECRET}\n{uuid.uuid4()}"
    here, there = await limiters(mine, secret)
    assert not await here.is_there()
    async with serving(mine):
        first, second = await here.ask(asks("a")), await there.ask(asks("b"))
        assert (first.slots, second.slots) == (3, 3)
        assert second.first > 1
        assert await there.is_there()
        held: list[float] = []
        listening = asyncio.create_task(there.listen(held.append))
        await asyncio.sleep(0.5)
        began = time.monotonic()
        await here.hold(30)
        await until_async(lambda: _has(held))
        assert held == [30]
        assert time.monotonic() - began < 5
        joining: list[float] = []
        late = asyncio.create_task(here.listen(joining.append))
        await until_async(lambda: _has(joining))
        assert 20 < joining[0] < 31  # who listens from now on hears for how much longer
        assert (await here.ask(asks("a"))).slots == 0
        for task in (listening, late):
            task.cancel()
        await asyncio.gather(listening, late, return_exceptions=True)
        await handle(mine, secret).terminate()


async def _has(found: list[float]) -> bool:
    return bool(found)


def handle(mine: Owner, secret: str) -> "WorkflowHandle[object, object]":
    return mine.client.get_workflow_handle(limiter_id(secret))


async def test_a_limiter_that_somebody_else_starts_is_not_served(dev_server: DevServer) -> None:
    mine, secret = await owner(dev_server), f"{SECRET}\n{uuid.uuid4()}"
    here, _ = await limiters(mine, secret)
    theirs = await (await stranger(dev_server)).start_workflow(
        LIMITER, LimiterState(held_until=time.time() + 10**6), id=limiter_id(secret), task_queue=mine.queue
    )
    async with serving(mine):
        with pytest.raises(WorkflowFailureError) as refused:
            await theirs.result()
        assert isinstance(refused.value.cause, ApplicationError)
        assert refused.value.cause.type == "NotSigned"
        share: Share = await here.ask(asks("a"))
        assert share.slots == 3
        await handle(mine, secret).terminate()


async def test_a_limiter_is_no_run(dev_server: DevServer) -> None:
    mine, secret = await owner(dev_server), f"{SECRET}\n{uuid.uuid4()}"
    here, _ = await limiters(mine, secret)
    async with serving(mine):
        await here.ask(asks("a"))
        found = limiter_id(secret)
        assert found not in [line.id for line in await run_list.listed(mine.client, RunFilter(limit=1000))]
        assert found not in [run.id for run in await executions.list_all(mine.client)]
        assert found not in [run_id async for run_id, _ in runs.open_runs(mine.client)]
        assert SECRET.split("\n")[1] not in str(await handle(mine, secret).fetch_history())
        await handle(mine, secret).terminate()


async def test_a_limiter_that_nobody_serves_is_told_in_time(
    dev_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limiter_client, "ASK_TIMEOUT", timedelta(seconds=1))
    mine, secret = await owner(dev_server), f"{SECRET}\n{uuid.uuid4()}"
    here, _ = await limiters(mine, secret)
    began = time.monotonic()
    with pytest.raises(limiter_client.FAILURES):
        await here.ask(asks("a"))
    assert time.monotonic() - began < 10
    await handle(mine, secret).terminate()
