"""Requests that wait for their turn at an endpoint: whom the process asks, whom it tells, and who waits."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Any

import pytest
import pytest_asyncio
from temporalio.service import RPCError, RPCStatusCode

from activities.endpoint_limits import endpoint_queue
from activities.endpoint_limits.endpoint_queue import EndpointQueue
from activities.endpoint_limits.endpoint_queues import EndpointQueues
from activities.endpoint_limits.limiter_client import Heard, LocalLimiter, limiter_id
from grammar.documents.model_reach import EndpointLimits
from grammar.errors import RateLimited
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.activity_results import WAITING
from grammar.messages.limiter import Share, ShareRequest
from grammar.model_access.endpoint import Endpoint
from tests.activities.conftest import Bench
from tests.support.scripted_endpoint import Reply, ScriptedEndpoint
from tests.support.waiting import until_async

QUICK = EndpointLimits(requests_per_minute=1200)


class NotedLimiter(LocalLimiter):
    """A limiter that notes what it is asked and told. `others`: whether it was there before; `fails`: it does."""

    def __init__(self, others: bool = False, fails: bool = False) -> None:
        super().__init__()
        self.others, self.fails = others, fails
        self.asked: list[ShareRequest] = []
        self.holds: list[float] = []
        self.looks = 0
        self.heard: list[Heard] = []

    async def ask(self, request: ShareRequest) -> Share:
        self.asked.append(request)
        if self.fails:
            raise RPCError("gone", RPCStatusCode.UNAVAILABLE, b"")
        return await super().ask(request)

    async def hold(self, seconds: float) -> None:
        self.holds.append(seconds)
        await super().hold(seconds)

    async def is_there(self) -> bool:
        self.looks += 1
        return self.others

    async def listen(self, heard: Heard) -> None:
        self.heard.append(heard)
        await asyncio.Event().wait()


@pytest.fixture
def noted() -> NotedLimiter:
    return NotedLimiter()


@pytest_asyncio.fixture(loop_scope="module")
async def queue(noted: NotedLimiter) -> AsyncIterator[EndpointQueue]:
    queue = EndpointQueue(noted)
    yield queue
    await queue.close()


async def send(queue: EndpointQueue, seconds: float = 0.0, told: list[bool] | None = None) -> float:
    """Send a request that is answered after so long. Return when it was sent."""
    async with queue.place("m", 10, (told if told is not None else []).append):
        sent = time.monotonic()
        await asyncio.sleep(seconds)
        return sent


async def test_without_limits_nobody_waits_and_nothing_is_asked(queue: EndpointQueue, noted: NotedLimiter) -> None:
    began, told = time.monotonic(), list[bool]()
    await asyncio.gather(*(send(queue, told=told) for _ in range(500)))
    assert time.monotonic() - began < 1
    assert (noted.asked, noted.holds, noted.heard, told) == ([], [], [], [])
    assert noted.looks == 1


async def test_a_limit_spreads_requests_evenly(queue: EndpointQueue, noted: NotedLimiter) -> None:
    queue.set_limits(QUICK)
    told: list[bool] = []
    sent = sorted(await asyncio.gather(*(send(queue, told=told) for _ in range(20))))
    assert sent[-1] - sent[0] >= 18 / 20
    assert max(sum(start <= one < start + 0.5 for one in sent) for start in sent) <= 12
    assert told.count(True) == told.count(False) > 10
    assert 1 <= len(noted.asked) <= 4


async def test_no_more_are_in_flight_than_allowed(queue: EndpointQueue) -> None:
    queue.set_limits(EndpointLimits(concurrency=3))
    in_flight = most = 0

    async def one() -> None:
        nonlocal in_flight, most
        async with queue.place("m", 0, lambda waits: None):
            in_flight += 1
            most = max(most, in_flight)
            await asyncio.sleep(0.05)
            in_flight -= 1

    await asyncio.gather(*(one() for _ in range(5)))
    assert most == 3


async def test_one_refusal_holds_everybody_here_and_elsewhere(queue: EndpointQueue, noted: NotedLimiter) -> None:
    began = time.monotonic()
    for _ in range(5):  # those that were in flight together
        queue.refused(0.5, {})
    assert min(await asyncio.gather(*(send(queue) for _ in range(10)))) - began >= 0.49
    assert noted.holds == [0.5]
    began = time.monotonic()
    noted.heard[0](0.4)
    assert await send(queue) - began >= 0.39
    assert noted.asked == []


@pytest.mark.parametrize(
    ("asked", "headers", "holds"),
    [
        (3.0, {}, [3.0]),
        (None, {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "2s"}, [2.0]),
        (None, {}, [5.0]),
    ],
)
async def test_for_how_long(
    queue: EndpointQueue, noted: NotedLimiter, asked: float | None, headers: dict[str, str], holds: list[float]
) -> None:
    queue.refused(asked, headers)
    await until_async(lambda: _has(noted.holds))
    assert noted.holds == holds


async def _has(found: list[Any]) -> bool:
    return bool(found)


async def test_who_has_to_wait_for_long_waits_elsewhere(queue: EndpointQueue) -> None:
    waiting = asyncio.create_task(send(queue))
    await waiting
    queue.set_limits(EndpointLimits(requests_per_minute=1))
    await send(queue)
    waiting = asyncio.create_task(send(queue))
    await asyncio.sleep(0.05)
    queue.refused(3600, {})
    with pytest.raises(RateLimited) as refused:
        await waiting
    assert 3590 < (refused.value.retry_after or 0) <= 3600
    with pytest.raises(RateLimited):
        await send(queue)


async def test_what_the_endpoint_says_is_left_counts_once_there_are_limits(queue: EndpointQueue) -> None:
    nothing = {"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "400ms"}
    queue.answered("m", nothing, 0, 0)
    began = time.monotonic()
    assert await send(queue) - began < 0.2
    queue.set_limits(QUICK)
    queue.answered("m", nothing, 0, 0)
    began = time.monotonic()
    assert await send(queue) - began >= 0.39
    queue.answered("other", {**nothing, "x-ratelimit-reset-requests": "2m"}, 0, 0)
    await send(queue)
    queue.answered("m", {**nothing, "x-ratelimit-reset-requests": "2m"}, 0, 0)
    with pytest.raises(RateLimited):
        await send(queue)


async def test_others_that_were_refused_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    noted = NotedLimiter(others=True)
    queue = EndpointQueue(noted)
    await send(queue)
    await until_async(lambda: _has(noted.heard))
    noted.heard[0](0.3)
    began = time.monotonic()
    assert await send(queue) - began >= 0.29
    await queue.close()


async def test_where_the_limiter_fails_the_process_keeps_to_the_limit_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(endpoint_queue, "ALONE_AFTER", 0.5)
    queue = EndpointQueue(NotedLimiter(fails=True))
    queue.set_limits(QUICK)
    began = time.monotonic()
    sent = sorted(await asyncio.gather(*(send(queue) for _ in range(10))))
    assert 0.5 <= sent[0] - began < 5
    assert sent[-1] - sent[0] >= 8 / 20
    assert "keeps to its limits alone" in caplog.text
    await queue.close()


async def test_who_gives_up_leaves_the_queue(queue: EndpointQueue) -> None:
    queue.set_limits(EndpointLimits(concurrency=1))
    holding = asyncio.create_task(send(queue, 0.3))
    await asyncio.sleep(0.05)
    waiting = asyncio.create_task(send(queue))
    await asyncio.sleep(0.05)
    waiting.cancel()
    with suppress(asyncio.CancelledError):
        await waiting
    await holding
    await asyncio.wait_for(send(queue), 5)


def test_an_id_tells_neither_endpoint_nor_key() -> None:
    found = {limiter_id(secret) for secret in ("http://a\nkey", "http://b\nkey", "http://a\nyek")}
    assert len(found) == 3
    assert all(one.startswith("limits-") and len(one) == 31 for one in found)


def test_which_requests_share_a_queue() -> None:
    queues, spec = EndpointQueues(), ModelSpec()
    own = ModelSpec(limits=QUICK, limits_are_its_own=True)
    here, elsewhere = Endpoint("http://a/v1", "key"), Endpoint("http://b/v1", "key")
    assert queues.of(here, spec, "m") is queues.of(Endpoint("http://a/v1/?x=1", "key"), spec, "n")
    assert queues.of(here, own, "m") is not queues.of(here, spec, "m")
    assert queues.of(here, own, "m") is not queues.of(here, own, "n")
    assert queues.of(here, spec, "m") is not queues.of(elsewhere, spec, "m")
    assert queues.of(here, spec, "m") is not queues.of(Endpoint("http://a/v1", "other"), spec, "m")
    assert queues.of(Endpoint(None), spec, "toy") is None


async def test_an_agent_run_waits_and_says_so(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    """Of three agents side by side, the endpoint gets one request a second."""
    doing: set[str] = set()
    bench.env.on_heartbeat = lambda *details: doing.add(details[0].doing)
    model = ModelSpec(limits=EndpointLimits(requests_per_minute=60))
    await asyncio.gather(*(bench.agent(journal=f"j{number}", model=model) for number in range(3)))
    starts = sorted(request.start for request in endpoint.requests)
    assert starts[2] - starts[0] > 1.5
    assert WAITING in doing


async def test_a_refused_agent_run_has_others_wait(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(times=1, status=429, headers={"retry-after": "1"}, message="slow down"), Reply(text="ok")]
    leg = (await bench.agent()).leg
    assert leg
    assert (leg.reason, leg.delay) == ("rate_limited", 1)
    await bench.agent(journal="other")
    refused, answered = endpoint.requests
    assert answered.start - refused.end >= 0.99


async def test_no_quota_is_no_reason_to_wait(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(times=1, status=429, code="insufficient_quota", message="no money"), Reply(text="ok")]
    with suppress(Exception):
        await bench.agent()
    began = time.monotonic()
    await bench.agent(journal="other")
    assert endpoint.requests[1].start - began < 4
