"""What stops a fan-out: branches that fail alike, `stop_after`, and a person who is asked first (section 11)."""

from typing import Any

import pytest
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from grammar.documents.budget import ConfirmOver, StopAfter
from grammar.documents.models import ModelConfig, Price
from grammar.documents.rules import DryRunScript
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult, Usage
from grammar.messages.reports import Approval, RunReport
from tests.support.waiting import until_async
from tests.workflows.conftest import FlowRunner, ask, said
from tests.workflows.test_parking import Handle, ended, parked

pytestmark = pytest.mark.asyncio(loop_scope="session")


class FailingItems:
    """Agents that fail on the prompts of some items, with a text of their own or the same for all."""

    def __init__(self, *failing: int, text: str = "no tool x") -> None:
        self.failing = {f"each {number}" for number in failing}
        self.text = text

    def __call__(self, request: AgentRequest) -> BranchResult:
        if request.prompt in self.failing:
            raise ApplicationError(self.text.format(request.prompt), type="UnknownTool", non_retryable=True)
        return said(request.prompt)


def failing(runner: FlowRunner, *numbers: int, text: str = "no tool x", items: int = 20) -> FailingItems:
    runner.fakes.items["each"] = list(range(items))
    runner.fakes.agent = found = FailingItems(*numbers, text=text)
    return found


async def test_five_that_fail_alike_stop_the_task(runner: FlowRunner) -> None:
    """By default, and the run parks though the task is optional. `retry` goes on with all of it."""
    agent = failing(runner, *range(20))
    handle = await runner.start(ask("each", over="x"), ask("end"))
    report = await parked(handle)
    assert runner.fakes.deployed == [f"each {number}" for number in range(5)]
    assert report.parked
    assert (report.parked.failure.type, report.parked.headline) == (
        "TooManyFailures",
        "too much of each failed",
    )
    assert report.parked.failure.message == (
        "5 branches failed alike, one after the other, before any succeeded: all of them with UnknownTool, no tool x. "
        "15 of 20 branches have not ended"
    )
    agent.failing.clear()
    await handle.execute_update("retry")
    report = await ended(runner, handle)
    assert (report.status, report.tasks[0].done, report.tasks[0].failed) == ("completed", 20, 0)
    assert len(runner.fakes.deployed) == 26


@pytest.mark.parametrize(
    ("numbers", "text", "items", "stop_after"),
    [
        (range(1, 20), "no tool x", 20, None),
        (range(20), "{}: no", 20, None),
        (range(5), "no tool x", 5, None),
        (range(20), "no tool x", 20, {}),
        (range(20), "no tool x", 20, {"failures": 30}),
    ],
    ids=["one succeeded", "not alike", "none is left", "switched off", "another rule"],
)
async def test_all_are_tried(runner: FlowRunner, numbers: Any, text: str, items: int, stop_after: Any) -> None:
    failing(runner, *numbers, text=text, items=items)
    rule = None if stop_after is None else StopAfter.model_validate(stop_after)
    report = await runner.run(ask("each", over="x", stop_after=rule))
    assert (report.status, len(runner.fakes.deployed)) == ("completed_with_failures", items)


@pytest.mark.parametrize(
    ("rule", "numbers", "deployed"),
    [
        ({"failures": 3}, [0, 2, 4, 6], 5),
        ({"in_a_row": 2}, [0, 2, 4, 5, 7], 6),
        ({"share": 0.5}, range(1, 20, 2), 10),
    ],
)
async def test_stop_after(runner: FlowRunner, rule: Any, numbers: Any, deployed: int) -> None:
    failing(runner, *numbers, text="{}: no")
    task = ask("each", over="x", stop_after=StopAfter.model_validate(rule), on_failure="fail")
    report = await runner.run(task, ask("end"))
    assert (report.status, report.failure and report.failure.type) == ("failed", "TooManyFailures")
    assert len(runner.fakes.deployed) == deployed


# Confirmation


async def question(handle: Handle) -> Approval:
    async def found() -> Approval | None:
        report: RunReport = await handle.query("status", result_type=RunReport)
        return report.approvals[0] if report.approvals else None

    return await until_async(found)


async def test_a_large_fan_out_asks_first(runner: FlowRunner) -> None:
    failing(runner, items=3)
    runner.flow = {"confirm_over": ConfirmOver(items=2)}
    handle = await runner.start(ask("each", over="x"), ask("end"))
    asked = await question(handle)
    assert (asked.kind, asked.task, asked.arguments) == ("fan_out", "each", "3 items, and confirm_over is 2")
    assert (asked.id, runner.fakes.deployed) == ("task-1-call-1", [])
    for wrong in ("retry_call", "approve_always"):
        with pytest.raises(WorkflowUpdateFailedError):
            await handle.execute_update(wrong, asked.id)
    await handle.execute_update("approve", asked.id)
    assert (await ended(runner, handle)).status == "completed"
    assert len(runner.fakes.deployed) == 4


async def test_a_no_leaves_the_task_out(runner: FlowRunner) -> None:
    failing(runner, items=3)
    runner.flow = {"confirm_over": ConfirmOver(items=2)}
    handle = await runner.start(ask("each", over="x", id="x"), ask("end"))
    asked = await question(handle)
    await handle.signal("reject", {"id": asked.id, "reason": "too many"})
    report = await ended(runner, handle)
    assert (report.status, runner.fakes.deployed) == ("completed_with_failures", ["end"])
    (failure,) = report.tasks[0].failures
    assert (failure.type, failure.message) == (
        "NotConfirmed",
        "a person refused 3 items, and confirm_over is 2: too many",
    )
    assert report.outputs["x"] == []


async def test_one_that_turns_out_dear_asks_on_the_way(runner: FlowRunner) -> None:
    """Once three branches have ended, what all will cost is estimated. A required task that is refused parks."""
    runner.fakes.items["each"] = list(range(10))
    one = Usage(requests=1, input_tokens=100_000)
    runner.fakes.agent = lambda request: said(request.prompt).model_copy(update={"usage": one})
    prices = ModelConfig(prices={"m": Price(input=1, output=1)})
    runner.flow = {"confirm_over": ConfirmOver(usd=0.9), "config": prices}
    handle = await runner.start(ask("each", over="x", must_complete=True))
    asked = await question(handle)
    assert asked.arguments == "about $1.00 in all, by what it cost so far, and confirm_over is $0.90"
    assert len(runner.fakes.deployed) == 3
    await handle.execute_update("reject", asked.id)
    report = await parked(handle)
    assert report.budget and report.budget.spent.usd == pytest.approx(0.3)
    await handle.execute_update("retry")
    await handle.execute_update("approve", (await question(handle)).id)
    assert (await ended(runner, handle)).tasks[0].done == 10


async def test_a_dry_run_tells_that_it_would_be_asked(runner: FlowRunner) -> None:
    failing(runner, items=3)
    runner.flow = {"confirm_over": ConfirmOver(items=2), "script": DryRunScript()}
    report = await runner.run(ask("each", over="x"))
    warning = "a run that is no dry run asks a person first: 3 items, and confirm_over is 2"
    assert (report.status, report.tasks[0].warnings) == ("completed", [warning])
