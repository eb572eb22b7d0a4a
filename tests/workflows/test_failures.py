"""What a failure ends, what is retried, and when (specification sections 7 and 8)."""

import asyncio
from datetime import timedelta

import pytest
from temporalio import activity
from temporalio.client import WorkflowFailureError
from temporalio.exceptions import ApplicationError, CancelledError

from grammar.documents.models import Retry, Task
from grammar.errors import BUG
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult
from grammar.messages.reports import RunReport
from runtime.runs import history_reader
from tests.workflows.conftest import FlowRunner, ask, said

pytestmark = pytest.mark.asyncio(loop_scope="session")


def failing(kind: str, times: int = 1000, *, final: bool = True, prompt: str = "") -> object:
    """An agent that fails so many times (with that prompt), and then answers."""
    left = [times]

    def answer(request: AgentRequest) -> BranchResult:
        if prompt in request.prompt and left[0] > 0:
            left[0] -= 1
            raise ApplicationError("no good", type=kind, non_retryable=final)
        return said(request.prompt)

    return answer


async def test_optional_failure_does_not_stop_the_run(runner: FlowRunner) -> None:
    runner.fakes.agent = failing("BadRequest", prompt="a")  # type: ignore[assignment]
    report = await runner.run(ask("a", id="gone"), ask("end"))
    assert report.status == "completed_with_failures"
    assert [task.status for task in report.tasks] == ["failed", "done"]
    assert report.outputs == {}
    failure = report.tasks[0].failures[0]
    assert (failure.type, failure.message, failure.branch) == ("BadRequest", "no good", 0)


async def test_required_failure_fails_the_run(runner: FlowRunner) -> None:
    runner.fakes.agent = failing("BadRequest")  # type: ignore[assignment]
    report = await runner.run(ask("a", must_complete=True, on_failure="fail"), ask("end"))
    assert (report.status, [task.status for task in report.tasks]) == ("failed", ["failed", "waiting"])
    assert report.failure and report.failure.task == "a"


async def test_failed_branch_stands_in_the_list_with_its_error(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": [1, 2]}
    runner.fakes.agent = failing("BadRequest", prompt="each 1")  # type: ignore[assignment]
    report = await runner.run(ask("each", id="x", over="x", async_=True))
    assert report.outputs["x"] == [
        {"model": "m", "item": 1, "result": None, "error": "no good"},
        {"model": "m", "item": 2, "result": "each 2"},
    ]


@pytest.mark.parametrize("kind", ["ModelAccess", "TemplateFailed", "Bug"])
async def test_some_failures_end_the_run_and_start_no_further_branch(runner: FlowRunner, kind: str) -> None:
    runner.fakes.items = {"each": [1, 2, 3]}
    runner.fakes.agent = failing(kind, prompt="each 1")  # type: ignore[assignment]
    report = await runner.run(ask("each", over="x", on_failure="fail"), ask("end"))
    assert (report.status, runner.fakes.deployed) == ("failed", ["each 1"])


async def test_retried_as_the_file_says(runner: FlowRunner) -> None:
    runner.fakes.agent = failing("ModelUnavailable", 4, final=False)  # type: ignore[assignment]
    retry = Retry(maximum_attempts=5, initial_interval=60.0, backoff_coefficient=2.0, maximum_interval=180.0)
    report = await runner.run(ask("a", retry=retry))
    assert (report.status, len(runner.fakes.deployed)) == ("completed", 5)
    ended, started = report.tasks[0].ended, report.tasks[0].started
    assert ended and started
    waited = ended - started
    assert timedelta(seconds=60 + 120 + 180 + 180) <= waited < timedelta(seconds=600), waited


@pytest.mark.parametrize(
    ("task", "attempts"),
    [
        (ask("a"), 5),
        (Task(name="a", run="false"), 1),
        (Task(name="a", run="false", retry=Retry(maximum_attempts=3)), 3),
        (ask("a", retry=Retry(non_retryable_error_types=("ModelUnavailable",))), 1),
    ],
)
async def test_attempts(runner: FlowRunner, task: Task, attempts: int) -> None:
    runner.fakes.agent = failing("ModelUnavailable", final=False)  # type: ignore[assignment]
    runner.fakes.shell = failing("ModelUnavailable", final=False)  # type: ignore[assignment]
    if task.run:
        runner.fakes.shell = lambda request: _fail()
    report = await runner.run(task)
    assert (report.status, len(runner.fakes.deployed)) == ("completed_with_failures", attempts)


def _fail() -> BranchResult:
    raise ApplicationError("exit code 1", type="ModelUnavailable")


async def test_timeout_is_told_in_words(runner: FlowRunner) -> None:
    async def forever(request: AgentRequest) -> BranchResult:
        await asyncio.Event().wait()
        return said("never")

    runner.fakes.agent = forever
    report = await runner.run(
        ask("a", start_to_close_timeout=1.0, heartbeat_timeout=600.0, retry=Retry(maximum_attempts=1))
    )
    failure = report.tasks[0].failures[0]
    assert (failure.type, failure.message) == ("Timeout", "an attempt took longer than start_to_close_timeout")


async def test_cancelled(lone_runner: FlowRunner) -> None:
    started = asyncio.Event()

    async def until_cancelled(request: AgentRequest) -> BranchResult:
        started.set()
        while True:
            activity.heartbeat()
            await asyncio.sleep(0.05)

    lone_runner.fakes.agent = until_cancelled
    handle = await lone_runner.start(ask("a"), ask("end"))
    await asyncio.wait_for(started.wait(), 20)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError) as caught:
        await handle.result()
    assert isinstance(caught.value.cause, CancelledError)
    report = await handle.query("status", result_type=RunReport)
    assert (report.status, [task.status for task in report.tasks]) == ("cancelled", ["cancelled", "waiting"])


async def test_where_a_fault_of_ours_was_met_is_found_in_the_history(runner: FlowRunner) -> None:
    def agent(request: AgentRequest) -> BranchResult:
        raise ApplicationError("KeyError: 'x'", "Traceback: at line 7", type=BUG, non_retryable=True)

    runner.fakes.agent = agent
    handle = await runner.start(ask("t"))
    with pytest.raises(WorkflowFailureError):
        await handle.result()
    assert await history_reader.tracebacks(runner.env.client, handle.id) == ["Traceback: at line 7"]
