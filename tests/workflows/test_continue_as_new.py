"""A run whose history grows long continues in a new one, and nobody notices."""

import asyncio
import sysconfig
from collections import Counter
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.client import WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.exceptions import ApplicationError
from temporalio.testing import WorkflowEnvironment

from grammar.documents.budget import Budget, ConfirmOver
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import Branch, BranchResult, FailureDetails, Leg, PendingCall, Usage
from grammar.messages.budgets import Spent
from grammar.messages.continue_as_new import CarriedTask
from grammar.messages.events import RunEvents
from grammar.messages.reports import Failure, Manifest, Rejection, RunReport
from runtime.runs import history_reader, runs
from tests.support.waiting import until_async
from tests.workflows.conftest import FlowRunner, ask, flow_runner, said
from tests.workflows.test_budgets import agents, fan_out
from tests.workflows.test_parking import parked
from workflows.records import task_report
from workflows.records.task_record import TaskRecord

pytestmark = pytest.mark.asyncio(loop_scope="session")
SHORT = ["--dynamic-config-value", "limit.historyCount.suggestContinueAsNew=60"]


@pytest_asyncio.fixture(loop_scope="session")
async def short() -> AsyncIterator[FlowRunner]:
    """A real server that finds a history of 60 events long."""
    binary = str(Path(sysconfig.get_path("scripts")) / "temporal")
    async with (
        await WorkflowEnvironment.start_local(
            dev_server_existing_path=binary,
            dev_server_log_level="error",
            dev_server_extra_args=SHORT,
            data_converter=pydantic_data_converter,
        ) as env,
        flow_runner(env) as runner,
    ):
        yield runner


async def histories(runner: FlowRunner) -> list[int]:
    """The events of each history of the run."""
    found = runner.env.client.list_workflows(f'WorkflowId = "{runner.queue}"')
    return [execution.history_length or 0 async for execution in found]


async def test_results_order_and_story_are_those_of_one_run(short: FlowRunner) -> None:
    short.fakes.items = {"each": list(range(60)), "then": [1, 2]}
    short.fakes.page_size = 7
    tasks = [
        ask("first", id="first"),
        ask("each", id="each", over="x", async_=True, async_limit=5),
        ask("then", repeat_prompt=True),
    ]
    report = await short.run(*tasks)
    assert report.status == "completed"
    assert [(task.done, task.total) for task in report.tasks] == [(1, 1), (60, 60), (2, 2)]
    results: Any = report.outputs["each"]
    assert [entry["result"] for entry in results] == [f"each {number}" for number in range(60)]
    assert sorted(short.fakes.deployed) == sorted(["first", *(f"each {n}" for n in range(60)), "then 1", "then 2"])
    assert len(await histories(short)) > 2
    assert all(length < 120 for length in await histories(short))
    source = short.fakes.prepared[-1].result
    assert source and source.text == "each 59"
    assert short.handle
    found = short.env.client.list_workflows(f'WorkflowId = "{short.queue}"')
    started = min([execution.start_time async for execution in found])
    ended = (await short.handle.describe()).close_time
    assert ended and await runs.took(runs.handle(short.env.client, short.queue)) == ended - started
    journal: RunEvents = await short.handle.query("journal", 0, result_type=RunEvents)
    assert [entry.number for entry in journal.entries] == list(range(journal.next))[-len(journal.entries) :]
    manifest: Manifest = await short.handle.query("manifest", result_type=Manifest)
    assert [branch.status for branch in manifest.branches] == ["done"] * 63


async def test_what_failed_in_an_earlier_history_is_retried(short: FlowRunner) -> None:
    mended = False

    def agent(request: AgentRequest) -> BranchResult:
        if request.prompt == "each 3" and not mended:
            raise ApplicationError("no", type="BadRequest", non_retryable=True)
        return said(request.prompt)

    short.fakes.agent = agent
    short.fakes.items = {"each": list(range(50))}
    handle = await short.start(ask("each", id="x", over="x", async_=True, must_complete=True))

    async def parked() -> bool:
        report: RunReport = await handle.query("status", result_type=RunReport)
        return report.status == "parked"

    await until_async(parked)
    assert len(await histories(short)) > 1
    mended = True
    await handle.execute_update("retry")
    results: Any = (await handle.result()).outputs["x"]
    assert [entry["result"] for entry in results] == [f"each {number}" for number in range(50)]
    assert len(short.fakes.deployed) == 51


@pytest.mark.parametrize("items", [[1, 2, 3], None])
async def test_a_retry_that_finds_the_history_long_is_made_in_a_new_one(
    short: FlowRunner, items: list[int] | None
) -> None:
    """It is not lost, and what has no result is not called done."""
    mended = False

    def agent(request: AgentRequest) -> BranchResult:
        if request.prompt in ("each", "each 2") and not mended:
            raise ApplicationError("no", type="BadRequest", non_retryable=True)
        return said(request.prompt)

    short.fakes.agent = agent
    short.fakes.items = {"each": items} if items else {}
    handle = await short.start(ask("each", id="x", over="x" if items else None, must_complete=True))

    async def parked() -> bool:
        return (await status(handle)).status == "parked"

    async def grown() -> bool:
        await handle.signal("unpause")
        return ((await handle.describe()).history_length or 0) > 70

    await until_async(parked)
    await until_async(grown)
    mended = True
    await handle.execute_update("retry")
    report = await handle.result()
    results: Any = report.outputs["x"]
    assert [entry["result"] for entry in results] == ["each 1", "each 2", "each 3"] if items else results == "each"
    assert (report.status, report.tasks[0].done) == ("completed", 3 if items else 1)
    assert len(await histories(short)) == 2


async def test_a_call_waits_on_in_the_new_history(short: FlowRunner) -> None:
    """It holds up nothing but its own branch, keeps its id, and what was said of its leg so far."""

    decided = asyncio.Event()

    async def agent(request: AgentRequest) -> BranchResult:
        if request.prompt == "each 3" and request.leg is None:
            calls = [PendingCall(id=f"c{n}", tool="wipe", toolbox="box", arguments="{}") for n in range(2)]
            return BranchResult(leg=Leg(state={"turn": 1}, calls=calls))
        if request.prompt == "each 9":
            await decided.wait()
        return said(
            " ".join([request.prompt, *(f"{decision.id}:{decision.approved}" for decision in request.verdicts)])
        )

    short.fakes.agent, short.fakes.items = agent, {"each": list(range(60))}
    handle = await short.start(ask("each", id="x", over="x", async_=True))
    run = short.env.client.get_workflow_handle(handle.id)
    await until_async(lambda: waits(run, 2))
    await run.execute_update("reject", Rejection(id="task-1-item-4-call-1"))
    decided.set()

    async def others_are_done() -> bool:
        return (await status(run)).tasks[0].done == 59

    await until_async(others_are_done)
    assert len(await histories(short)) > 2
    assert [approval.id for approval in (await status(run)).approvals] == ["task-1-item-4-call-2"]
    manifest: Manifest = await run.query("manifest", result_type=Manifest)
    assert [branch.status for branch in manifest.branches if branch.status != "done"] == ["waiting"]
    await run.execute_update("approve", "task-1-item-4-call-2")
    results: Any = (await handle.result()).outputs["x"]
    assert [entry["result"] for entry in results] == [
        f"each {number}" if number != 3 else "each 3 c0:False c1:True" for number in range(60)
    ]
    assert Counter(short.fakes.deployed) == Counter({f"each {number}": 2 if number == 3 else 1 for number in range(60)})


async def test_a_tool_stays_approved_in_the_new_history(short: FlowRunner) -> None:
    """The first item asks in the first history, the last one in the last."""

    def agent(request: AgentRequest) -> BranchResult:
        if request.prompt in ("each 0", "each 59") and request.leg is None:
            calls = [PendingCall(id="c", tool="wipe", toolbox="box", arguments="{}")]
            return BranchResult(leg=Leg(state={"turn": 1}, calls=calls))
        return said(" ".join([request.prompt, *(f"{decision.approved}" for decision in request.verdicts)]))

    short.fakes.agent, short.fakes.items = agent, {"each": list(range(60))}
    handle = await short.start(ask("each", id="x", over="x"))
    run = short.env.client.get_workflow_handle(handle.id)
    await until_async(lambda: waits(run, 1))
    await run.execute_update("approve_always", "task-1-item-1-call-1")
    results: Any = (await handle.result()).outputs["x"]
    assert [entry["result"] for entry in results if " " in entry["result"].removeprefix("each ")] == [
        "each 0 True",
        "each 59 True",
    ]
    assert len(await histories(short)) > 2


async def test_what_was_used_goes_along_by_model() -> None:
    task = ask("each", over="x", models=("a", "b"))

    def record(carried: CarriedTask | None = None) -> TaskRecord:
        made = TaskRecord(0, task, lambda: datetime.now(UTC), lambda *_, **__: None, 2)
        if carried:
            made.take_over(carried)
        return made

    first = record()
    for index, model in enumerate(("a", "b", "a")):
        used = Usage(requests=1, input_tokens=10, cached_tokens=9)
        branch = first.start_branch(Branch(index=index))
        first.finish_branch(branch, BranchResult(model=model, usage=used))
    carried = CarriedTask.model_validate_json(task_report.carried(first).model_dump_json())
    assert [branch.usage.cached_tokens for branch in carried.done] == [9, 9, 9]
    second = record(carried)
    assert task_report.usage_by_model(second) == task_report.usage_by_model(first)
    assert [(entry.named, entry.usage.cached_tokens) for entry in task_report.usage_by_model(second)] == [
        ("a", 18),
        ("b", 9),
    ]
    older = carried.model_copy(update={"used": None, "usage": Usage(requests=3, input_tokens=30)})
    assert sum((entry.usage for entry in task_report.usage_by_model(record(older))), Usage()) == Usage(
        requests=3, input_tokens=30
    )  # of which model is not known


async def waits(run: WorkflowHandle[Any, Any], count: int) -> bool:
    return len((await status(run)).approvals) == count


async def status(run: WorkflowHandle[Any, Any]) -> RunReport:
    found: RunReport = await run.query("status", result_type=RunReport)
    return found


async def test_a_report_tells_of_all_histories(short: FlowRunner) -> None:
    short.fakes.items = {"each": [f"item {number}" for number in range(60)]}
    short.fakes.page_size = 7
    await short.run(ask("first"), ask("each", over="x", async_=True, async_limit=5))
    story = await history_reader.read_history(short.env.client, short.queue)
    assert story.history.histories == len(await histories(short)) > 2
    first, each = story.branches()
    assert [branch.prompt for branch in (*first, *each)] == ["first", *(f"each item {number}" for number in range(60))]
    assert [branch.item for branch in each] == [f"item {number}" for number in range(60)]
    times = [(leg.begun, leg.ended) for one in (*first, *each) for leg in one.deployments]
    assert len(times) == 61
    assert all(ended and story.started <= begun <= ended <= story.until for begun, ended in times)


async def test_a_budget_is_spent_over_all_histories(short: FlowRunner) -> None:
    """What was spent, what was added, and what a person confirmed goes along."""
    made = agents(short, turns=2, items=60, budget=Budget(requests=70), confirm_over=ConfirmOver(items=50))
    handle = await short.start(fan_out(budget=Budget(tokens="900M"), item_budget=Budget(requests=3)))

    async def asked() -> bool:
        return bool((await handle.query("status", result_type=RunReport)).approvals)

    await until_async(asked)
    await handle.signal("approve", "task-1-call-1")
    await handle.signal("raise_budget", {"requests": 10})
    report = await parked(handle)
    assert len(await histories(short)) > 1
    assert made.requests.total() == 80
    assert report.budget and (report.budget.spent.requests, report.budget.limit) == (80, Budget(requests=80))
    await handle.execute_update("raise_budget", {"requests": 100})
    report = await handle.result()
    assert (report.status, set(made.requests.values())) == ("completed", {2})
    task = report.tasks[0].budget
    assert task and task.spent.requests == 120
    assert report.budget and report.budget.limit == Budget(requests=180)


async def test_what_stops_a_task_goes_along() -> None:
    """A branch that waits for a person may be all that is left of it."""
    task = ask("each", over="x", item_budget=Budget(requests=3))

    def record() -> TaskRecord:
        return TaskRecord(0, task, lambda: datetime.now(UTC), lambda *_, **__: None, 2)

    first = record()
    first.set_items(9)
    branch = first.start_branch(Branch(index=0))
    first.fail_branch(branch, Failure(task="each", type="BadRequest", message="no"), FailureDetails(attempts=1))
    assert first.has_remaining
    first.task_failures.append(Failure(task="each", type="TooManyFailures", message="all alike"))
    first.limits.reached, first.limits.confirmed = "run", {"items"}
    first.limits.account.settle("leg", Spent(requests=5))
    second = record()
    second.take_over(CarriedTask.model_validate_json(task_report.carried(first).model_dump_json()))
    assert (second.stopped, second.has_remaining, second.limits.reached) == (True, False, "run")
    assert (second.limits.streak.alike, second.limits.confirmed) == (1, {"items"})
    assert second.limits.account.spent.requests == 5
    assert second.branches[0].account.limit == Budget(requests=3)
    second.reopen()
    assert (second.stopped, second.limits.reached, second.limits.streak.alike) == (False, None, 0)
