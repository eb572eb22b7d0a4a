"""Agent runs that are left off and go on: rate limits, a worker that stops, calls of unknown outcome."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle

from grammar.documents.models import Retry
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult, Leg, LegReason, PendingCall
from grammar.messages.events import RunEvents
from grammar.messages.names import OVERVIEW_MEMO
from grammar.messages.reports import Manifest, RunOverview, RunReport
from runtime.runs import standing
from tests.support.waiting import until_async
from tests.workflows.conftest import FlowRunner, ask, said

pytestmark = pytest.mark.asyncio(loop_scope="session")


def leaving(*legs: Leg) -> Any:
    """An agent whose legs are left off so, one after the other, and then gives its result; and what each was asked."""
    asked: list[AgentRequest] = []

    def agent(request: AgentRequest) -> BranchResult:
        asked.append(request)
        return BranchResult(leg=legs[len(asked) - 1]) if len(asked) <= len(legs) else said("done")

    return agent, asked


def limited(turns: int = 0, delay: float | None = None) -> Leg:
    return Leg(reason="rate_limited", turns=turns, delay=delay, message="429 slow down")


def took(report: RunReport) -> timedelta:
    task = report.tasks[0]
    assert task.started and task.ended
    return task.ended - task.started


@pytest.mark.parametrize("reason", ["stopped", "rate_limited"])
async def test_the_next_leg_goes_on_from_the_journal(runner: FlowRunner, reason: LegReason) -> None:
    runner.fakes.agent, asked = leaving(*[Leg(reason=reason, recorded=["line"])] * 2)
    report = await runner.run(ask("t"))
    assert report.status == "completed"
    assert [(request.journal, request.recorded) for request in asked] == [
        ("", []),
        ("task-1", ["line"]),
        ("task-1", ["line"]),
    ]


async def test_the_wait_is_as_long_as_the_endpoint_asks(runner: FlowRunner) -> None:
    runner.fakes.agent, _ = leaving(limited(delay=3600), limited(delay=7200))
    assert timedelta(hours=3) <= took(await runner.run(ask("t"))) < timedelta(hours=3, minutes=1)


async def test_a_follower_is_told_until_when(runner: FlowRunner) -> None:
    runner.fakes.agent, _ = leaving(limited(delay=3600))
    handle = await runner.start(ask("t"))
    await handle.result()
    journal: RunEvents = await handle.query("journal", 0, result_type=RunEvents)
    (event,) = [event for event in journal.entries if event.kind == "rate_limited"]
    (progress,) = journal.tasks
    assert (event.activity, event.note) == ("task-1-leg-2", "429 slow down")
    assert progress.started and event.until
    assert timedelta(hours=1) <= event.until - progress.started < timedelta(hours=1.1)


async def test_else_it_doubles(runner: FlowRunner) -> None:
    runner.fakes.agent, _ = leaving(*[limited()] * 6)
    report = await runner.run(ask("t", retry=Retry(maximum_attempts=10)))
    assert timedelta(seconds=5 + 10 + 20 + 40 + 80 + 120) <= took(report) < timedelta(seconds=300)


async def test_attempts_are_used_up_only_while_nothing_advances(runner: FlowRunner) -> None:
    runner.fakes.agent, asked = leaving(*[limited(turns=turn) for turn in range(1, 31)])
    assert (await runner.run(ask("t"))).status == "completed"
    assert len(asked) == 31
    runner.fakes.agent, asked = leaving(*[limited(turns=1)] * 30)
    report = await runner.run_again(ask("t"))
    failure = report.tasks[0].failures[0]
    assert (len(asked), failure.type, failure.message) == (5, "RateLimited", "429 slow down")


async def test_the_deadline_bounds_it(runner: FlowRunner) -> None:
    runner.fakes.agent, asked = leaving(*[limited(turns=turn, delay=3600) for turn in range(1, 31)])
    report = await runner.run(ask("t", schedule_to_close_timeout="5h"))
    failure = report.tasks[0].failures[0]
    assert (len(asked), failure.type) == (5, "Timeout")
    assert "429 slow down" in failure.message


@pytest.mark.parametrize("delay", [9.0, 946_080_000.0, 1e300])
async def test_a_wait_beyond_the_deadline_ends_the_branch_at_once(runner: FlowRunner, delay: float) -> None:
    runner.fakes.agent, asked = leaving(limited(turns=1, delay=delay))
    report = await runner.run(ask("t", schedule_to_close_timeout="8s"))
    failure = report.tasks[0].failures[0]
    assert (len(asked), failure.type) == (1, "Timeout")


@pytest.mark.parametrize(("signal", "repeat"), [("retry_call", True), ("skip_call", False)])
async def test_a_person_decides_about_an_interrupted_call(runner: FlowRunner, signal: str, repeat: bool) -> None:
    calls = [PendingCall(id="3", tool="push", toolbox="", arguments="{}")]
    runner.fakes.agent, asked = leaving(Leg(reason="unknown_outcome", calls=calls, recorded=["line"]))
    handle = await runner.start(ask("t"))

    async def waits() -> str | None:
        report: RunReport = await handle.query("status", result_type=RunReport)
        return report.approvals[0].id if report.approvals else None

    call = await until_async(waits)
    manifest: Manifest = await handle.query("manifest", result_type=Manifest)
    assert manifest.branches[0].status == "waiting"
    await handle.signal("approve", call)  # of another kind: ignored
    await handle.execute_update(signal, call)
    with runner.env.auto_time_skipping_disabled():
        await handle.result()
    assert (asked[1].outcomes, asked[1].journal, asked[1].recorded) == ({3: repeat}, "task-1", ["line"])


async def is_told(handle: WorkflowHandle[Any, RunReport], state: str) -> bool:
    """Whether the run's overview says so."""
    return (await standing.overview(await handle.describe())).state == state


async def test_the_runs_state_says_that_it_is_rate_limited(runner: FlowRunner) -> None:
    """As long as nothing else runs."""
    runner.fakes.agent, _ = leaving(limited(delay=3600))
    runner.memo = {OVERVIEW_MEMO: RunOverview()}
    handle = await runner.start(ask("t"))
    await until_async(lambda: is_told(handle, "rate_limited"))
    assert (await handle.result()).status == "completed"
    assert await is_told(handle, "completed")


async def test_the_state_of_a_run_that_was_cancelled_meanwhile(runner: FlowRunner) -> None:
    runner.fakes.agent, _ = leaving(limited(delay=3600))
    runner.memo = {OVERVIEW_MEMO: RunOverview()}
    handle = await runner.start(ask("t"))
    await until_async(lambda: is_told(handle, "rate_limited"))
    await handle.cancel()
    with runner.env.auto_time_skipping_disabled(), pytest.raises(WorkflowFailureError):
        await handle.result()
    assert await is_told(handle, "cancelled")
