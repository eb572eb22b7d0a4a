"""Tasks in order, branches in a window, values from task to task (specification sections 3 and 5)."""

import asyncio

import pytest

from grammar.documents.models import Task
from grammar.documents.values import ToolResult
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult, Leg
from grammar.messages.events import RunEvents
from grammar.messages.reports import Manifest, RunReport
from tests.workflows.conftest import FlowRunner, ask, said

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_tasks_in_order(runner: FlowRunner) -> None:
    report = await runner.run(ask("a"), Task(name="b", run="script"), ask("c"))
    assert report.status == "completed"
    assert runner.fakes.deployed == ["a", "script", "c"]
    assert [task.status for task in report.tasks] == ["done"] * 3


async def test_window_is_kept_and_filled(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": list(range(20))}
    full = asyncio.Event()

    async def answer(request: AgentRequest) -> BranchResult:
        if runner.fakes.running == 4:
            full.set()
        await asyncio.wait_for(full.wait(), 10)
        return said(request.prompt)

    runner.fakes.agent = answer
    report = await runner.run(ask("each", repeat_prompt=True, async_=True, async_limit=4))
    assert (report.tasks[0].done, runner.fakes.most_running) == (20, 4)


async def test_not_async_is_one_at_a_time(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": [1, 2, 3]}
    await runner.run(ask("each", repeat_prompt=True))
    assert (runner.fakes.deployed, runner.fakes.most_running) == (["each 1", "each 2", "each 3"], 1)


async def test_results_in_item_order_whatever_the_finish_order(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": ["slow", "fast"]}
    fast_done = asyncio.Event()

    async def answer(request: AgentRequest) -> BranchResult:
        if "slow" in request.prompt:
            await asyncio.wait_for(fast_done.wait(), 10)
        fast_done.set()
        return said(request.prompt)

    runner.fakes.agent = answer
    report = await runner.run(ask("each", id="x", repeat_prompt=True, async_=True), ask("end"))
    assert report.outputs["x"] == [
        {"model": "m", "item": 0, "value": "slow", "result": "each slow"},
        {"model": "m", "item": 1, "value": "fast", "result": "each fast"},
    ]
    result = runner.fakes.prepared[-1].result
    assert result is not None and result.text == "each fast"  # the last item's lies on top


async def test_carry_over_is_taken_off_by_the_one_that_repeats(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": []}
    await runner.run(
        Task(name="older", run="1"), Task(name="newer", run="2"), ask("each", repeat_prompt=True), ask("end")
    )
    tops = [request.result and request.result.text for request in runner.fakes.prepared]
    assert tops == [None, "1", "2", "1"]


async def test_over_takes_nothing_off(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": []}
    await runner.run(Task(name="older", run="1"), ask("each", over="[]"), ask("end"))
    assert runner.fakes.prepared[-1].result == ToolResult(tool_name="tool", text="1")


async def test_named_outputs_reach_later_tasks(runner: FlowRunner) -> None:
    runner.fakes.agent = lambda request: BranchResult() if request.prompt == "nothing" else said(request.prompt)
    await runner.run(ask("a", id="first"), ask("nothing", id="null"), ask("end"))
    assert runner.fakes.prepared[-1].outputs == {"first": "a", "null": None}


async def test_skipped_task_publishes_nothing(runner: FlowRunner) -> None:
    runner.fakes.skipped = {"a"}
    report = await runner.run(ask("a", id="gone", if_="false"), ask("end"))
    assert (report.status, report.tasks[0].status, report.outputs) == ("completed", "skipped", {})


async def test_no_items_completes_and_says_so(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": []}
    report = await runner.run(ask("each", id="x", over="[]"))
    assert (report.tasks[0].status, report.tasks[0].note) == ("done", "nothing to do: no items")
    assert report.outputs == {"x": []}


async def test_pages_are_fetched_as_needed(runner: FlowRunner) -> None:
    runner.fakes.items, runner.fakes.page_size = {"each": list(range(7))}, 3
    report = await runner.run(ask("each", over="x", async_=True))
    assert report.tasks[0].done == 7
    assert [request.offset for request in runner.fakes.prepared] == [0, 3, 6]


async def test_secrets_are_handed_on(runner: FlowRunner) -> None:
    runner.fakes.agent = lambda request: said("x").model_copy(update={"secrets": ["TOKEN"]})
    await runner.run(ask("a"), ask("b"))
    assert [request.secrets for request in runner.fakes.prepared] == [[], ["TOKEN"]]


async def test_queries(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": [1, 2]}
    await runner.run(ask("each", over="x"))
    assert runner.handle
    status = await runner.handle.query("status", result_type=RunReport)
    manifest = await runner.handle.query("manifest", result_type=Manifest)
    journal = await runner.handle.query("journal", 2, result_type=RunEvents)
    assert status == manifest.report
    assert [(branch.index, branch.status, branch.model) for branch in manifest.branches] == [
        (0, "done", "m"),
        (1, "done", "m"),
    ]
    assert [(entry.kind, entry.branch, entry.activity) for entry in journal.entries] == [
        ("branch_ended", 1, "task-1-item-2"),
        ("task_ended", None, None),
    ]
    assert journal.next == 4


async def test_what_the_web_ui_shows(runner: FlowRunner) -> None:
    legs = iter([BranchResult(leg=Leg(reason="rate_limited", message="429")), said("2")])
    runner.fakes.agent = lambda request: next(legs) if "2" in request.prompt else said("1")
    runner.fakes.items = {"each": [1, 2]}
    await runner.run(ask("each", over="x", model="some-model"))
    assert runner.handle
    shown = [event.user_metadata.summary.data.decode() async for event in runner.handle.fetch_history_events()]
    assert [summary.strip('"') for summary in shown if summary] == [
        "prepare each",
        "each · item 1 of 2 · some-model",
        "each · item 2 of 2 · some-model",
        "each · item 2 of 2 · rate limited",
        "each · item 2 of 2 · some-model · leg 2",
    ]
    metadata: str = await runner.handle.query("__temporal_workflow_metadata")
    gap = "\N{NO-BREAK SPACE}"  # the Web UI puts no space between columns
    assert f"| ✓{gap}done{gap} | each{gap} | 2/2{gap} |" in str(metadata)
