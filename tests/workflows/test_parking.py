"""A run that cannot go on by itself waits for a person (specification section 9)."""

import asyncio
from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from grammar.documents.models import ModelConfig, Price
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult, FailureDetails, TranscriptEntry, Usage
from grammar.messages.asked_models import Cost
from grammar.messages.events import RunEvents
from grammar.messages.reports import Manifest, RunReport
from pictures.run_page import RunPage
from runtime.runs import history_reader
from tests.support.waiting import until_async
from tests.workflows.conftest import FlowRunner, ask, said

pytestmark = pytest.mark.asyncio(loop_scope="session")
Handle = WorkflowHandle[Any, RunReport]
SAID = [TranscriptEntry(kind="message", who="a", text="I give up")]


class Broken:
    """An agent that fails on some prompts, until it is mended."""

    def __init__(self, *prompts: str, kind: str = "BadRequest") -> None:
        self.prompts, self.kind, self.mended = prompts, kind, False

    def __call__(self, request: AgentRequest) -> BranchResult:
        if request.prompt in self.prompts and not self.mended:
            raise ApplicationError("no good", type=self.kind, non_retryable=True)
        return said(request.prompt)


async def parked(handle: Handle, task: str = "each") -> RunReport:
    """The report of the run, as soon as the task is parked."""

    async def found() -> RunReport | None:
        report: RunReport = await handle.query("status", result_type=RunReport)
        return report if report.parked and report.parked.task == task else None

    return await until_async(found)


async def ended(runner: FlowRunner, handle: Handle) -> RunReport:
    """The report at the end. Time must not be skipped meanwhile: nothing but a person ends the wait."""
    with runner.env.auto_time_skipping_disabled():
        return await handle.result()


def broken(runner: FlowRunner, *prompts: str, **fields: Any) -> Broken:
    agent = runner.fakes.agent = Broken(*prompts, **fields)
    runner.fakes.items["each"] = [1, 2, 3]
    return agent


async def test_a_required_failure_parks_the_run(runner: FlowRunner) -> None:
    broken(runner, "each 2")
    handle = await runner.start(ask("each", over="x", must_complete=True), ask("end"))
    report = await parked(handle)
    assert report.parked
    assert (report.status, report.parked.failed, report.parked.failure.message) == ("parked", 1, "no good")
    assert [task.status for task in report.tasks] == ["parked", "waiting"]
    assert runner.fakes.deployed == ["each 1", "each 2", "each 3"]
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await ended(runner, handle)


async def test_retry_runs_only_what_failed(runner: FlowRunner) -> None:
    agent = broken(runner, "each 2", "each 3")
    handle = await runner.start(ask("each", id="x", over="x", must_complete=True), ask("end"))
    await parked(handle)
    agent.mended = True
    await handle.signal("retry")
    report = await ended(runner, handle)
    assert (report.status, [task.status for task in report.tasks]) == ("completed", ["done", "done"])
    assert runner.fakes.deployed == ["each 1", "each 2", "each 3", "each 2", "each 3", "end"]
    results: Any = report.outputs["x"]
    assert [entry["result"] for entry in results] == ["each 1", "each 2", "each 3"]


async def test_what_fails_again_is_parked_again(runner: FlowRunner) -> None:
    agent = broken(runner, "each 2")
    handle = await runner.start(ask("each", over="x", must_complete=True))
    first = await parked(handle)
    await handle.execute_update("retry")

    async def again() -> RunReport | None:
        report = await parked(handle)
        return report if report.parked != first.parked else None

    await until_async(again)
    agent.mended = True
    await handle.execute_update("retry")
    assert (await ended(runner, handle)).status == "completed"
    assert runner.fakes.deployed.count("each 2") == 3


async def test_retry_over_several_pages_and_models(runner: FlowRunner) -> None:
    agent = broken(runner, "each 5", "each 9")
    runner.fakes.items["each"] = list(range(10))
    runner.fakes.page_size = 2
    task = ask("each", id="x", over="x", must_complete=True, models=({"model": "a"}, {"model": "b"}))
    handle = await runner.start(task)
    await parked(handle)
    assert len(runner.fakes.deployed) == 20
    agent.mended = True
    await handle.execute_update("retry")
    report = await ended(runner, handle)
    assert runner.fakes.deployed[20:] == ["each 5", "each 5", "each 9", "each 9"]
    results: Any = report.outputs["x"]
    assert [(entry["item"], entry["model"], entry["result"]) for entry in results] == [
        (item, model, f"each {item}") for item in range(10) for model in ("a", "b")
    ]


async def test_skip_goes_on_without_it(runner: FlowRunner) -> None:
    broken(runner, "each 2")
    handle = await runner.start(ask("each", id="x", over="x", must_complete=True), ask("end"))
    await parked(handle)
    await handle.execute_update("skip", "each")
    report = await ended(runner, handle)
    assert (report.status, report.tasks[0].note) == ("completed_with_failures", "skipped by a person")
    results: Any = report.outputs["x"]
    assert [entry.get("error") for entry in results] == [None, "no good", None]
    assert runner.fakes.deployed[-1] == "end"


async def test_a_value_in_its_place(runner: FlowRunner) -> None:
    broken(runner, "fetch")
    handle = await runner.start(ask("fetch", id="x", must_complete=True), ask("then", repeat_prompt=True))
    await parked(handle, "fetch")
    await handle.execute_update("set_output", args=[[7, 8], "fetch"])
    report = await ended(runner, handle)
    assert (report.status, report.outputs["x"]) == ("completed", [7, 8])
    source = runner.fakes.prepared[-1].result
    assert source and source.structured == [7, 8]


async def test_abort_ends_it_as_failed(runner: FlowRunner) -> None:
    broken(runner, "each 2")
    handle = await runner.start(ask("each", id="x", over="x", must_complete=True), ask("end"))
    await parked(handle)
    await handle.signal("abort")
    with pytest.raises(WorkflowFailureError) as caught:
        await ended(runner, handle)
    assert isinstance(caught.value.cause, ApplicationError)
    report = RunReport.model_validate(caught.value.cause.details[0])
    assert (report.status, report.failure and report.failure.task) == ("failed", "each")
    assert len(report.outputs["x"]) == 3  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", ["ModelAccess", "SandboxRefused"])
async def test_what_a_person_must_mend_parks_the_run_though_the_task_is_optional(runner: FlowRunner, kind: str) -> None:
    agent = broken(runner, "each 1", kind=kind)
    handle = await runner.start(ask("each", over="x"), ask("end"))
    await parked(handle)
    assert runner.fakes.deployed == ["each 1"]
    agent.mended = True
    await handle.execute_update("retry")
    assert (await ended(runner, handle)).status == "completed"
    assert runner.fakes.deployed == ["each 1", "each 1", "each 2", "each 3", "end"]


async def test_an_update_for_another_task_is_refused(runner: FlowRunner) -> None:
    broken(runner, "last")
    handle = await runner.start(ask("last", must_complete=True))
    await parked(handle, "last")
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update("skip", "each")
    assert "'each' is not parked; 'last' is" in str(refused.value.cause)
    await handle.signal("skip", "each")  # ignored
    assert (await parked(handle, "last")).status == "parked"
    await handle.execute_update("skip")
    await ended(runner, handle)


@pytest.mark.parametrize(("name", "said"), [("retry", []), ("skip", []), ("set_output", [1]), ("abort", [])])
async def test_an_update_is_refused_where_nothing_is_parked(runner: FlowRunner, name: str, said: list[Any]) -> None:
    go_on = asyncio.Event()

    async def slow(request: AgentRequest) -> BranchResult:
        await go_on.wait()
        return BranchResult()

    runner.fakes.agent = slow
    handle = await runner.start(ask("t"))
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update(name, args=said)
    assert "the run is not parked" in str(refused.value.cause)
    go_on.set()
    await ended(runner, handle)


async def test_it_may_wait_for_days(runner: FlowRunner) -> None:
    agent = broken(runner, "each 2")
    handle = await runner.start(ask("each", over="x", must_complete=True, schedule_to_close_timeout="1m"))
    await parked(handle)
    await runner.env.sleep(timedelta(days=30))
    agent.mended = True
    await handle.execute_update("retry")
    assert (await ended(runner, handle)).status == "completed"


async def test_a_failed_agent_goes_on_from_its_journal_unless_it_was_spent(runner: FlowRunner) -> None:
    asked: list[tuple[str, str]] = []

    def agent(request: AgentRequest) -> BranchResult:
        asked.append((request.prompt, request.journal))
        if len(asked) <= 2:
            raise ApplicationError(
                "no", type="ToolboxFailed" if "1" in request.prompt else "TurnLimit", non_retryable=True
            )
        return said("done")

    runner.fakes.agent = agent
    runner.fakes.items["each"] = [1, 2]
    handle = await runner.start(ask("each", over="x", must_complete=True))
    await parked(handle)
    await handle.execute_update("retry")
    await ended(runner, handle)
    assert asked[2:] == [("each 1", "task-1-item-1"), ("each 2", "")]


@pytest.mark.parametrize("send", [WorkflowHandle.signal, WorkflowHandle.execute_update])
async def test_a_paused_run_starts_no_new_branch(runner: FlowRunner, send: Any) -> None:
    runner.fakes.items["each"] = [1, 2]
    await_pause = runner.fakes.agent

    async def agent(request: AgentRequest) -> BranchResult:
        if request.prompt == "each 1":
            await send(handle, "pause")
        given = await_pause(request)
        assert isinstance(given, BranchResult)
        return given

    runner.fakes.agent = agent
    handle = await runner.start(ask("each", over="x"), ask("end"))

    async def paused() -> bool:
        report: RunReport = await handle.query("status", result_type=RunReport)
        return report.paused and report.tasks[0].done == 1

    await until_async(paused)
    assert runner.fakes.deployed == ["each 1"]
    await send(handle, "unpause")
    assert (await ended(runner, handle)).status == "completed"
    journal: RunEvents = await handle.query("journal", 0, result_type=RunEvents)
    assert [event.kind for event in journal.entries if "pause" in event.kind] == ["paused", "unpaused"]


async def test_what_failed_branches_cost_is_counted_once(runner: FlowRunner) -> None:
    """An agent that goes on counts what it has paid for itself; one whose conversation was spent starts anew."""
    costs = {"each 0": Usage(requests=3, input_tokens=30), "each 1": Usage(requests=5, input_tokens=50)}
    config = runner.config = ModelConfig(prices={"m": Price(input=1000, output=1)})
    kinds = {"each 0": "ModelUnavailable", "each 1": "BadRequest"}
    mended = False

    def agent(request: AgentRequest) -> BranchResult:
        if not mended:
            kind, cost = kinds[request.prompt], costs[request.prompt]
            raise ApplicationError(
                "no", FailureDetails(usage=cost, model="m", attempts=2, said=SAID), type=kind, non_retryable=True
            )
        return said("x").model_copy(update={"usage": Usage(requests=10, input_tokens=100)})

    runner.fakes.items, runner.fakes.agent = {"each": [0, 1]}, agent
    handle = await runner.start(ask("each", id="each", over="x", must_complete=True))
    report = await parked(handle)
    assert (report.usage.requests, report.tasks[0].usage.requests, report.cost.usd) == (8, 8, 0.08)
    manifest: Manifest = await handle.query("manifest", result_type=Manifest)
    figures = [(branch.usage.requests, branch.model, branch.cost.usd, branch.attempts) for branch in manifest.branches]
    assert figures == [(3, "m", 0.03, 2), (5, "m", 0.05, 2)]
    journal: RunEvents = await handle.query("journal", result_type=RunEvents)
    assert [event.said for event in journal.entries if event.kind == "branch_ended"] == [SAID, SAID]
    times = [(branch.started, branch.ended) for branch in manifest.branches]
    assert all(started and ended and started <= ended for started, ended in times)
    mended = True
    await handle.execute_update("retry")
    report = await ended(runner, handle)
    assert (report.usage.requests, report.cost) == (25, Cost(usd=0.25))
    assert [(entry.model, entry.usage.requests) for entry in report.usage_by_model] == [("m", 25)]
    manifest = await handle.query("manifest", result_type=Manifest)
    assert [(branch.usage.requests, branch.attempts, branch.legs) for branch in manifest.branches] == [(10, 3, 2)] * 2
    story = await history_reader.read_history(runner.env.client, handle.id)
    page = RunPage(story, config)
    assert (page.cost.usage.requests, page.cost.cost) == (25, report.cost)
    failed = [one.deployments[0] for branches in story.branches() for one in branches]
    assert [(one.failure, one.output and one.output.said) for one in failed] == [
        ("ModelUnavailable: no", SAID),
        ("BadRequest: no", SAID),
    ]
