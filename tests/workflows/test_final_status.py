"""The status of a run at its end, and its exit code, for each way that its tasks may go: a failure is no success."""

from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from console.run_summary import EXIT_CODES
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult
from tests.workflows.conftest import FlowRunner, ask, said
from workflows import worker_log

pytestmark = pytest.mark.asyncio(loop_scope="session")


def agent(request: AgentRequest) -> BranchResult:
    if request.prompt.startswith("bad"):
        raise ApplicationError("no good", type="BadRequest", non_retryable=True)
    return said(request.prompt)


@pytest.mark.parametrize(
    ("tasks", "status", "code"),
    [
        ([("ok", False), ("ok", True)], "completed", 0),
        ([("skipped", False), ("ok", False)], "completed", 0),
        ([("skipped", True), ("skipped", True)], "completed", 0),
        ([("bad", False), ("ok", True)], "completed_with_failures", 4),
        ([("bad", False), ("skipped", True)], "completed_with_failures", 4),
        ([("bad", False), ("bad", False)], "completed_with_failures", 4),
        ([("ok", True), ("bad", False)], "completed_with_failures", 4),
        ([("bad", True), ("ok", False)], "failed", 1),
        ([("bad", False), ("bad", True)], "failed", 1),
        ([("skipped", True), ("bad", True)], "failed", 1),
    ],
)
async def test_final_status(runner: FlowRunner, tasks: list[tuple[str, bool]], status: str, code: int) -> None:
    runner.fakes.agent = agent
    fields: dict[str, Any] = {"on_failure": "fail"}
    made = [ask(f"{how} {n}", must_complete=required, **fields) for n, (how, required) in enumerate(tasks)]
    runner.fakes.skipped = {task.name or "" for task in made if (task.name or "").startswith("skipped")}
    report = await runner.run(*made)
    assert (report.status, EXIT_CODES[report.status]) == (status, code)


async def test_a_fan_out_of_nothing_but_failures(runner: FlowRunner) -> None:
    runner.fakes.agent = agent
    runner.fakes.items = {"bad": [1, 2, 3]}
    report = await runner.run(ask("bad", over="x"))
    assert (report.status, report.tasks[0].status, report.tasks[0].failed) == ("completed_with_failures", "failed", 3)


async def test_a_parked_run_is_no_success() -> None:
    assert EXIT_CODES["parked"] == 1


async def test_the_workers_window_says_when_runs_and_tasks_start_and_end(
    runner: FlowRunner, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", worker_log.NAME)
    runner.fakes.items = {"t": ["a", "b"]}
    await runner.run(ask("t", over="x"))
    said = [record.getMessage() for record in caplog.records if record.name == worker_log.NAME]
    assert said == [
        f"{runner.queue}: {text}"
        for text in ("started, flow.yaml", "task 1/1 t started", "task 1/1 t done, 2/2 branches", "completed")
    ]
