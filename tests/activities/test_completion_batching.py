"""Activities that end at nearly the same time report together."""

import asyncio

import pytest

from activities.process.completion_batching import MANY, STEP, STEP_OF_MANY, CompletionBatching, until_next_step


def test_all_that_end_within_a_step_report_at_the_same_moment() -> None:
    start = 1000 * STEP
    ends = [start + part * STEP for part in (0.01, 0.2, 0.5, 0.99)]
    assert [now + until_next_step(now, 2) for now in ends] == pytest.approx([start + STEP] * 4)


def test_the_next_step_is_another_moment() -> None:
    later = 1001.01 * STEP
    assert later + until_next_step(later, 2) == pytest.approx(1002 * STEP)


def test_where_many_run_steps_are_longer_and_end_with_one_of_the_others() -> None:
    now = 1000 * STEP_OF_MANY + STEP / 2
    assert now + until_next_step(now, MANY) == pytest.approx(1001 * STEP_OF_MANY)
    assert now + until_next_step(now, MANY - 1) == pytest.approx(1000 * STEP_OF_MANY + STEP)


async def waited(others: int, monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long an activity that ends waits, with `others` running beside it."""
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr(asyncio, "sleep", sleep)
    in_step = CompletionBatching()
    with in_step.running():
        running = [in_step.running() for _ in range(others)]
        for other in running:
            other.__enter__()
        await in_step.wait()
        for other in running:
            other.__exit__(None, None, None)
        await in_step.wait()
    return slept


async def test_one_that_runs_alone_never_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    assert await waited(0, monkeypatch) == []


async def test_one_waits_only_while_others_run(monkeypatch: pytest.MonkeyPatch) -> None:
    slept = await waited(1, monkeypatch)
    assert len(slept) == 1 and 0 < slept[0] <= STEP
