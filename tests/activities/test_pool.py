"""How long servers live, and who shares them (specification section 1: `lifetime`)."""

import asyncio
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.exceptions import ApplicationError

from activities.toolboxes.pool import ServerPool
from grammar.messages.activity_results import BranchResult
from tests.activities.boxes import box, calls, failure, free_port, http_box, http_server, own_http_box, started
from tests.activities.conftest import Bench, new_pool
from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint
from tests.support.waiting import gone, until_async

PID = Call(name="pid")

pool = pytest_asyncio.fixture(new_pool, loop_scope="module", name="pool")  # each test has its own


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Path]:
    """Where servers write down their start. After the test none of them is left."""
    path = tmp_path / "starts"
    yield path
    assert all(map(gone, started(path)))


def kept(log: Path, lifetime: str, **fields: Any) -> Any:
    return box("--more", "--starts", str(log), lifetime=lifetime, **fields)


def texts(*results: BranchResult) -> list[str]:
    return [tool_result.text for result in results for tool_result in result.tool_results]


async def at_once(bench: Bench, number: int, **fields: Any) -> list[BranchResult]:
    return list(await asyncio.gather(*(bench.agent(**fields) for _ in range(number))))


async def seen_gone(log: Path) -> None:
    async def all_gone() -> bool:
        return all(map(gone, started(log)))

    await until_async(all_gone)


async def test_run_shares_nothing(bench: Bench, endpoint: ScriptedEndpoint, log: Path) -> None:
    endpoint.rules = calls(Call(name="remember", arguments={"text": "x"}))
    box_ = kept(log, "run")
    first = await bench.agent(toolboxes=box_, task="t")
    assert all(map(gone, started(log)))
    assert texts(first, *await at_once(bench, 2, toolboxes=box_, task="t")) == ["x", "x", "x"]
    assert len(set(started(log))) == 3


async def test_task_shares_one_at_a_time(bench: Bench, endpoint: ScriptedEndpoint, log: Path) -> None:
    endpoint.rules = calls(Call(name="slow", arguments={"seconds": 0.2}), PID)
    box_ = kept(log, "task")
    limit = asyncio.Semaphore(3)

    async def branch() -> BranchResult:
        async with limit:
            return await bench.agent(toolboxes=box_, task="t")

    done = await asyncio.gather(*(branch() for _ in range(8)))
    assert len(started(log)) == 3
    assert set(texts(*done)) - {"done"} <= {str(pid) for pid in started(log)}
    await bench.pool.close()


async def test_task_is_not_shared_with_another_task(bench: Bench, endpoint: ScriptedEndpoint, log: Path) -> None:
    endpoint.rules = calls(PID)
    for task in ("a", "b", "a"):
        await bench.agent(toolboxes=kept(log, "task"), task=task)
    assert len(started(log)) == 2
    await bench.pool.close()


async def test_worker_is_shared_by_all_at_once(bench: Bench, endpoint: ScriptedEndpoint, log: Path) -> None:
    endpoint.rules = calls(Call(name="slow", arguments={"seconds": 1}), PID)
    done = await at_once(bench, 5, toolboxes=kept(log, "worker"))
    done.append(await bench.agent(toolboxes=kept(log, "worker"), task="another"))
    (pid,) = started(log)
    assert texts(*done) == ["done", str(pid)] * 6
    await bench.pool.close()


@pytest.mark.parametrize("kind", ["sse", "streamable"])
async def test_worker_shares_a_connection_over_http(bench: Bench, endpoint: ScriptedEndpoint, kind: str) -> None:
    endpoint.rules = calls(Call(name="slow", arguments={"seconds": 0.5}), PID)
    with http_server(kind) as (url, process):
        toolboxes = http_box(kind, url, lifetime="worker")
        done = await at_once(bench, 3, toolboxes=toolboxes)
        assert texts(*done) == ["done", str(process.pid)] * 3
        await bench.pool.close()


async def test_other_parameters_are_another_server(
    bench: Bench, endpoint: ScriptedEndpoint, log: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    endpoint.rules = calls(Call(name="environ", arguments={"name": "COLOUR"}))
    for colour in ("blue", "red", "blue"):
        monkeypatch.setenv("HUE", colour)
        toolboxes = kept(log, "worker", env={"COLOUR": "{{ env('HUE') }}"})
        await bench.agent(toolboxes=toolboxes)
        assert endpoint.requests[-1].tool_result == colour
    assert len(started(log)) == 2
    assert "blue" not in repr(bench.pool) + repr(vars(bench.pool)["_idle"])
    await bench.pool.close()


async def test_runs_see_a_shared_server_each_in_their_way(bench: Bench, endpoint: ScriptedEndpoint, log: Path) -> None:
    endpoint.rules = [Reply(when=Match(prompt="plain", turn=0), tool_calls=[PID]), Reply(text="done")]
    endpoint.rules += calls(PID)
    asking, plain, blocked = await asyncio.gather(
        bench.agent("plain", toolboxes=kept(log, "worker", confirm=("pid",))),
        bench.agent("plain", toolboxes=kept(log, "worker", confirm=("pid",)), headless=True),
        bench.agent("other", toolboxes=kept(log, "worker"), blocked_tools=["pid"]),
    )
    assert (asking.leg is not None, plain.leg, blocked.leg) == (True, None, None)
    offered = {asked.prompt: "pid" in asked.tools for asked in endpoint.requests}
    assert offered == {"plain": True, "other": False}
    assert len(started(log)) == 1
    await bench.pool.close()


@pytest.mark.parametrize("lifetime", ["task", "worker"])
async def test_one_that_died_unused_is_replaced(
    bench: Bench, endpoint: ScriptedEndpoint, log: Path, lifetime: str
) -> None:
    endpoint.rules = calls(PID)
    await bench.agent(toolboxes=kept(log, lifetime), task="t")
    os.kill(started(log)[0], signal.SIGKILL)
    done = await bench.agent(toolboxes=kept(log, lifetime), task="t")
    assert texts(done) == [str(started(log)[1])]
    await bench.pool.close()


async def test_one_over_http_that_died_unused_is_replaced(bench: Bench, endpoint: ScriptedEndpoint, log: Path) -> None:
    endpoint.rules = calls(PID)
    toolboxes = own_http_box(free_port(), "--starts", str(log), lifetime="worker")
    await bench.agent(toolboxes=toolboxes)
    os.kill(started(log)[0], signal.SIGKILL)
    done = await bench.agent(toolboxes=toolboxes)
    assert texts(done) == [str(started(log)[1])]
    await bench.pool.close()


async def test_one_that_is_lost_leaves_the_pool(bench: Bench, endpoint: ScriptedEndpoint, log: Path) -> None:
    endpoint.rules = [Reply(when=Match(prompt="die", turn=0), tool_calls=[Call(name="die")])]
    endpoint.rules += calls(Call(name="slow", arguments={"seconds": 3}))
    both = [bench.agent(prompt, toolboxes=kept(log, "worker")) for prompt in ("live", "die")]
    failed = await asyncio.gather(*both, return_exceptions=True)
    assert all(isinstance(error, ApplicationError) and error.type == "ToolboxFailed" for error in failed)
    endpoint.rules = calls(PID)
    done = await bench.agent(toolboxes=kept(log, "worker"))
    assert texts(done) == [str(started(log)[1])]
    await bench.pool.close()


async def test_all_who_wait_for_a_start_that_fails_fail(bench: Bench, endpoint: ScriptedEndpoint, log: Path) -> None:
    toolboxes = box("--starts", str(log), "--start", "exit", lifetime="worker")
    errors = await asyncio.gather(*(failure(bench, toolboxes=toolboxes) for _ in range(3)))
    assert all("told to exit" in error.message for error in errors)
    assert len(started(log)) == 1


@pytest.mark.parametrize("lifetime", ["task", "worker"])
async def test_idle_ones_are_stopped(bench: Bench, endpoint: ScriptedEndpoint, log: Path, lifetime: str) -> None:
    bench.pool = ServerPool(task_idle=0.5, worker_idle=0.5)
    await bench.agent(toolboxes=kept(log, lifetime))
    assert not gone(started(log)[0])
    await seen_gone(log)
    await bench.agent(toolboxes=kept(log, lifetime))
    assert len(started(log)) == 2
    await bench.pool.close()


async def test_nothing_survives_the_worker(bench: Bench, endpoint: ScriptedEndpoint, log: Path) -> None:
    for lifetime in ("task", "worker"):
        await bench.agent(toolboxes=kept(log, lifetime))
    await bench.agent(toolboxes=own_http_box(free_port(), "--starts", str(log), lifetime="worker"))
    assert not any(map(gone, started(log)))
    await bench.pool.close()
    assert [gone(pid) for pid in started(log)] == [True, True, True]


@pytest.mark.parametrize(("lifetime", "stays"), [("task", False), ("worker", True)])
async def test_a_cancelled_run(bench: Bench, endpoint: ScriptedEndpoint, log: Path, lifetime: str, stays: bool) -> None:
    """What may still be busy with its call goes; what others use stays."""
    endpoint.rules = [Reply(hang=True)]
    running = asyncio.create_task(bench.agent(toolboxes=kept(log, lifetime)))

    async def asked() -> bool:
        return bool(endpoint.requests)

    await until_async(asked)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert gone(started(log)[0]) is not stays
    await bench.pool.close()


async def test_a_run_that_is_cancelled_while_others_wait_for_the_same_start(
    bench: Bench, endpoint: ScriptedEndpoint, log: Path
) -> None:
    endpoint.rules = calls(PID)
    toolboxes = kept(log, "worker")
    first, second = (asyncio.create_task(bench.agent(toolboxes=toolboxes)) for _ in range(2))

    async def starting() -> bool:
        return bool(started(log))

    await until_async(starting)
    first.cancel()
    assert texts(await second) == [str(started(log)[0])]
    with pytest.raises(asyncio.CancelledError):
        await first
    await bench.pool.close()
