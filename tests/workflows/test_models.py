"""One task on several models: `models`, `completion`, `model_concurrency` (specification sections 3 and 5)."""

import asyncio
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from grammar.documents.models import ModelChoice
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult, Usage
from grammar.messages.events import RunEvents
from tests.workflows.conftest import FlowRunner, ask, said

pytestmark = pytest.mark.asyncio(loop_scope="session")


def named(request: AgentRequest) -> BranchResult:
    """An answer that says which model was asked what."""
    name = request.model.name or ""
    return said(f"{name}: {request.prompt}").model_copy(update={"model": name})


def failing(*models: str, kind: str = "BadRequest") -> Any:
    def answer(request: AgentRequest) -> BranchResult:
        if request.model.name in models:
            raise ApplicationError("no good", type=kind, non_retryable=True)
        return named(request)

    return answer


def entry(model: str, item: int, value: Any, prompt: str) -> dict[str, Any]:
    return {"model": model, "item": item, "value": value, "result": f"{model}: {prompt}"}


MODELS = ("a", ModelChoice(model="b", model_settings={"temperature": 1}), "c")


async def test_without_items_there_is_a_branch_per_model(runner: FlowRunner) -> None:
    seen: list[tuple[str | None, object]] = []

    def answer(request: AgentRequest) -> BranchResult:
        seen.append((request.model.name, request.model.settings))
        return named(request)

    runner.fakes.agent = answer
    report = await runner.run(ask("t", id="x", models=MODELS))
    assert report.outputs["x"] == [entry(name, 0, None, "t") for name in "abc"]
    assert sorted(seen, key=str) == [("a", {}), ("b", {"temperature": 1}), ("c", {})]
    assert (report.tasks[0].total, report.tasks[0].done) == (3, 3)


async def test_items_times_models_in_item_then_model_order(runner: FlowRunner) -> None:
    runner.fakes.items = {"t": [1, 2]}
    runner.fakes.agent = named
    report = await runner.run(ask("t", id="x", over="x", models=("a", "b"), async_=True))
    assert report.outputs["x"] == [entry(name, item - 1, item, f"t {item}") for item in (1, 2) for name in "ab"]
    assert report.tasks[0].total == 4
    assert runner.handle
    scheduled = [
        event.activity_task_scheduled_event_attributes.activity_id
        async for event in runner.handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    assert sorted(scheduled)[-4:] == [f"task-1-item-{i}-model-{m}" for i in (1, 2) for m in (1, 2)]


async def test_one_entry_is_the_same_as_model(runner: FlowRunner) -> None:
    runner.fakes.agent = named
    report = await runner.run(ask("t", id="x", models=("a",)), ask("end", repeat_prompt=True))
    assert report.outputs["x"] == "a: t"
    assert runner.fakes.prepared[-1].result is not None


async def test_several_models_push_nothing(runner: FlowRunner) -> None:
    runner.fakes.agent = named
    await runner.run(ask("t", models=("a", "b")), ask("end"))
    assert runner.fakes.prepared[-1].result is None


@pytest.mark.parametrize(
    ("limit", "most"),
    [({}, 3), ({"model_concurrency": 1}, 1), ({"model_concurrency": 2}, 2), ({"model_concurrency": 9}, 3)],
)
async def test_how_many_models_run_at_once(runner: FlowRunner, limit: dict[str, int], most: int) -> None:
    runner.fakes.agent = _slow
    await runner.run(ask("t", models=("a", "b", "c"), **limit))
    assert runner.fakes.most_running == most


async def test_the_limit_is_over_items_and_models(runner: FlowRunner) -> None:
    runner.fakes.items = {"t": [1, 2, 3, 4]}
    runner.fakes.agent = _slow
    await runner.run(ask("t", over="x", models=("a", "b"), model_concurrency=3, async_=True, async_limit=8))
    assert runner.fakes.most_running == 3


async def test_all_must_complete_unless_any_will_do(runner: FlowRunner) -> None:
    runner.fakes.agent = failing("b")
    report = await runner.run(ask("all", id="x", models=("a", "b")), ask("any", models=("a", "b"), completion="any"))
    assert [task.status for task in report.tasks] == ["failed", "done"]
    assert report.outputs["x"] == [
        entry("a", 0, None, "all"),
        {"model": "b", "item": 0, "value": None, "result": None, "error": "no good"},
    ]
    assert report.tasks[1].warnings == ["1 of 2 branches failed; `completion: any` asks for one"]


def only(*prompts: str) -> Any:
    """Model b fails, and whatever is not asked so."""

    def answer(request: AgentRequest) -> BranchResult:
        if request.model.name == "b" or request.prompt not in prompts:
            raise ApplicationError("no good", type="BadRequest", non_retryable=True)
        return named(request)

    return answer


@pytest.mark.parametrize("models", [(), ("a", "b")])
async def test_any_needs_one_branch_of_all_items(runner: FlowRunner, models: tuple[str, ...]) -> None:
    runner.fakes.items = {"t": [1, 2]}
    runner.fakes.agent = only("t 1")
    report = await runner.run(ask("t", id="x", over="x", models=models, completion="any", must_complete=True))
    (task,) = report.tasks
    failed = 2 * max(1, len(models)) - 1
    assert (task.status, task.failed, report.status) == ("done", failed, "completed")
    assert task.warnings == [f"{failed} of {failed + 1} branches failed; `completion: any` asks for one"]
    assert [entry["result"] is None for entry in report.outputs["x"]].count(True) == failed  # type: ignore[union-attr, index, call-overload]


async def test_any_fails_if_all_branches_do(runner: FlowRunner) -> None:
    runner.fakes.items = {"t": [1, 2]}
    runner.fakes.agent = only()
    report = await runner.run(ask("t", over="x", models=("a", "b"), completion="any"))
    assert [(task.status, task.failed) for task in report.tasks] == [("failed", 4)]


async def test_a_run_of_an_older_version_keeps_the_meaning_that_it_began_with(runner: FlowRunner) -> None:
    runner.meaning = 1
    runner.fakes.items = {"t": ["one", "two"]}
    runner.fakes.agent = only("t one")
    report = await runner.run(ask("t", id="x", over="x", models=("a", "b"), completion="any"))
    assert [(task.status, task.failed) for task in report.tasks] == [("failed", 3)]
    assert {failure.branch for failure in report.tasks[0].failures} == {2, 3}
    entries: Any = report.outputs["x"]
    assert entries[0] == {"model": "a", "item": "one", "result": "a: t one"}


async def test_a_wrong_key_ends_the_run_even_so(runner: FlowRunner) -> None:
    runner.fakes.agent = failing("b", kind="ModelAccess")
    report = await runner.run(ask("t", models=("a", "b"), completion="any", on_failure="fail"))
    assert (report.status, report.failure and report.failure.type) == ("failed", "ModelAccess")


async def _slow(request: AgentRequest) -> BranchResult:
    await asyncio.sleep(0.05)
    return named(request)


async def test_a_follower_is_told_what_each_model_used(runner: FlowRunner) -> None:
    runner.fakes.items = {"t": [1, 2]}
    runner.fakes.agent = lambda request: named(request).model_copy(
        update={"usage": Usage(requests=1, input_tokens=10 if request.model.name == "a" else 100)}
    )
    handle = await runner.start(ask("t", over="x", models=("a", "b")))
    await handle.result()
    journal: RunEvents = await handle.query("journal", 0, result_type=RunEvents)
    used = [(entry.named, entry.model, entry.usage.input_tokens) for entry in journal.tasks[0].usage_by_model]
    assert used == [("a", "a", 20), ("b", "b", 200)]
    assert (journal.tasks[0].done, journal.tasks[0].total, journal.tasks[0].status) == (4, 4, "done")
