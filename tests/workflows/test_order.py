"""Tasks in order, branches in a window, values from task to task (specification sections 3 and 5)."""

import asyncio

import pytest

from grammar.documents.models import Task
from grammar.documents.values import ToolResult
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult, Leg
from grammar.messages.events import RunEvents
from grammar.messages.reports import Manifest, RunReport
from tests.workflows.conftest import Stage, ask, said

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_tasks_in_order(stage: Stage) -> None:
    report = await stage.run(ask("a"), Task(name="b", run="script"), ask("c"))
    assert report.status == "completed"
    assert stage.fakes.deployed == ["a", "script", "c"]
    assert [task.status for task in report.tasks] == ["done"] * 3


async def test_window_is_kept_and_filled(stage: Stage) -> None:
    stage.fakes.items = {"each": list(range(20))}
    full = asyncio.Event()

    async def answer(request: AgentRequest) -> BranchResult:
        if stage.fakes.running == 4:
            full.set()
        await asyncio.wait_for(full.wait(), 10)
        return said(request.prompt)

    stage.fakes.agent = answer
    report = await stage.run(ask("each", repeat_prompt=True, async_=True, async_limit=4))
    assert (report.tasks[0].done, stage.fakes.most_running) == (20, 4)


async def test_not_async_is_one_at_a_time(stage: Stage) -> None:
    stage.fakes.items = {"each": [1, 2, 3]}
    await stage.run(ask("each", repeat_prompt=True))
    assert (stage.fakes.deployed, stage.fakes.most_running) == (["each 1", "each 2", "each 3"], 1)


async def test_results_in_item_order_whatever_the_finish_order(stage: Stage) -> None:
    stage.fakes.items = {"each": ["slow", "fast"]}
    fast_done = asyncio.Event()

    async def answer(request: AgentRequest) -> BranchResult:
        if "slow" in request.prompt:
            await asyncio.wait_for(fast_done.wait(), 10)
        fast_done.set()
        return said(request.prompt)

    stage.fakes.agent = answer
    report = await stage.run(ask("each", id="x", repeat_prompt=True, async_=True), ask("end"))
    assert report.outputs["x"] == [
        {"model": "m", "item": "slow", "result": "each slow"},
        {"model": "m", "item": "fast", "result": "each fast"},
    ]
    result = stage.fakes.prepared[-1].result
    assert result is not None and result.text == "each fast"  # the last item's lies on top


async def test_carry_over_is_taken_off_by_the_one_that_repeats(stage: Stage) -> None:
    stage.fakes.items = {"each": []}
    await stage.run(
        Task(name="older", run="1"), Task(name="newer", run="2"), ask("each", repeat_prompt=True), ask("end")
    )
    tops = [request.result and request.result.text for request in stage.fakes.prepared]
    assert tops == [None, "1", "2", "1"]


async def test_over_takes_nothing_off(stage: Stage) -> None:
    stage.fakes.items = {"each": []}
    await stage.run(Task(name="older", run="1"), ask("each", over="[]"), ask("end"))
    assert stage.fakes.prepared[-1].result == ToolResult(tool_name="tool", text="1")


async def test_named_outputs_reach_later_tasks(stage: Stage) -> None:
    stage.fakes.agent = lambda request: BranchResult() if request.prompt == "nothing" else said(request.prompt)
    await stage.run(ask("a", id="first"), ask("nothing", id="null"), ask("end"))
    assert stage.fakes.prepared[-1].outputs == {"first": "a", "null": None}


async def test_skipped_task_publishes_nothing(stage: Stage) -> None:
    stage.fakes.skipped = {"a"}
    report = await stage.run(ask("a", id="gone", if_="false"), ask("end"))
    assert (report.status, report.tasks[0].status, report.outputs) == ("completed", "skipped", {})


async def test_no_items_completes_and_says_so(stage: Stage) -> None:
    stage.fakes.items = {"each": []}
    report = await stage.run(ask("each", id="x", over="[]"))
    assert (report.tasks[0].status, report.tasks[0].note) == ("done", "nothing to do: no items")
    assert report.outputs == {"x": []}


async def test_pages_are_fetched_as_needed(stage: Stage) -> None:
    stage.fakes.items, stage.fakes.page_size = {"each": list(range(7))}, 3
    report = await stage.run(ask("each", over="x", async_=True))
    assert report.tasks[0].done == 7
    assert [request.offset for request in stage.fakes.prepared] == [0, 3, 6]


async def test_secrets_are_handed_on(stage: Stage) -> None:
    stage.fakes.agent = lambda request: said("x").model_copy(update={"secrets": ["TOKEN"]})
    await stage.run(ask("a"), ask("b"))
    assert [request.secrets for request in stage.fakes.prepared] == [[], ["TOKEN"]]


async def test_queries(stage: Stage) -> None:
    stage.fakes.items = {"each": [1, 2]}
    await stage.run(ask("each", over="x"))
    assert stage.handle
    status = await stage.handle.query("status", result_type=RunReport)
    manifest = await stage.handle.query("manifest", result_type=Manifest)
    journal = await stage.handle.query("journal", 2, result_type=RunEvents)
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


async def test_what_the_web_ui_shows(stage: Stage) -> None:
    legs = iter([BranchResult(leg=Leg(reason="rate_limited", message="429")), said("2")])
    stage.fakes.agent = lambda request: next(legs) if "2" in request.prompt else said("1")
    stage.fakes.items = {"each": [1, 2]}
    await stage.run(ask("each", over="x", model="some-model"))
    assert stage.handle
    shown = [event.user_metadata.summary.data.decode() async for event in stage.handle.fetch_history_events()]
    assert [summary.strip('"') for summary in shown if summary] == [
        "prepare each",
        "each · item 1 of 2 · some-model",
        "each · item 2 of 2 · some-model",
        "each · item 2 of 2 · rate limited",
        "each · item 2 of 2 · some-model · leg 2",
    ]
    metadata: str = await stage.handle.query("__temporal_workflow_metadata")
    assert "| ✓\N{NO-BREAK SPACE}done\N{NO-BREAK SPACE} | each | 2/2 |" in str(metadata)
