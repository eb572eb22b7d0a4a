"""Rules of the specification on order, retry and failure that no other test here shows."""

import asyncio
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from grammar.documents.models import ModelChoice, Retry, SandboxChoice, Task
from grammar.documents.values import ToolResult
from grammar.messages.activity_requests import AgentRequest, ShellRequest
from grammar.messages.activity_results import BranchResult
from grammar.messages.reports import RunReport
from tests.support.waiting import until_async
from tests.workflows.conftest import FlowRunner, ask, said
from tests.workflows.test_failures import failing

pytestmark = pytest.mark.asyncio(loop_scope="session")


def several(*texts: str) -> BranchResult:
    """What an agent gives that called several tools."""
    results = [ToolResult(tool_name="tool", text=text) for text in texts]
    return BranchResult(value=texts[-1] if texts else None, produced=bool(texts), tool_results=results, model="m")


def tops(runner: FlowRunner) -> list[str | None]:
    """What each task found on top of the results."""
    return [request.result.text if request.result else None for request in runner.fakes.prepared]


# Tasks (section 3)


async def test_what_a_task_says_reaches_its_agent(runner: FlowRunner) -> None:
    asked: list[AgentRequest] = []

    def answer(request: AgentRequest) -> BranchResult:
        asked.append(request)
        return said("x")

    runner.fakes.agent = answer
    fields: dict[str, Any] = {
        "capture": "response", "max_steps": 7, "blocked_tools": ("rm",), "headless": True,
        "exclude_from_context": True, "outputs": {"type": "object"}, "outputs_retries": 3, "env": {"A": "b"},
        "model": "some-model", "model_settings": {"temperature": 1}, "toolboxes": (), "sandbox": "offline",
    }  # fmt: skip
    await runner.run(ask("a", **fields), ask("b", max_steps=0))
    first, second = asked
    assert (first.capture, first.max_turns, first.blocked_tools, first.headless) == ("response", 7, ["rm"], True)
    assert (first.exclude_from_context, first.outputs, first.outputs_retries) == (True, {"type": "object"}, 3)
    assert first.surroundings.env == {"A": "b"}
    assert (first.sandbox, second.sandbox) == (SandboxChoice(preset="offline"), None)
    assert (first.model.name, first.model.settings) == ("some-model", {"temperature": 1})
    assert (second.capture, second.max_turns, second.headless, second.surroundings.env) == (
        "tool_result",
        50,
        False,
        {},
    )


async def test_what_a_task_says_reaches_its_script(runner: FlowRunner) -> None:
    asked: list[ShellRequest] = []

    def answer(request: ShellRequest) -> BranchResult:
        asked.append(request)
        return said("x")

    runner.fakes.shell = answer
    held = SandboxChoice(memory=2**30)
    await runner.run(Task(name="a", run="echo {{ x }}", env={"A": "b"}, outputs={"type": "string"}, sandbox=held))
    (request,) = asked
    assert request.sandbox == held
    assert (request.script, request.surroundings.env, request.outputs) == (
        "echo {{ x }}",
        {"A": "b"},
        {"type": "string"},
    )


async def test_env_of_a_task_is_its_own_alone(runner: FlowRunner) -> None:
    await runner.run(ask("a", env={"A": "a"}), ask("b", env={"B": "b"}), ask("c"))
    assert [request.surroundings.env for request in runner.fakes.prepared] == [{"A": "a"}, {"B": "b"}, {}]


async def test_a_skipped_task_takes_nothing_off(runner: FlowRunner) -> None:
    runner.fakes.skipped = {"each"}
    await runner.run(Task(name="first", run="1"), ask("each", repeat_prompt=True, if_="false"), ask("end"))
    assert tops(runner) == [None, "1", "1"]


async def test_over_takes_nothing_off_even_with_repeat_prompt(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": [1]}
    runner.fakes.agent = lambda request: several()
    await runner.run(Task(name="first", run="1"), ask("each", repeat_prompt=True, over="[1]"), ask("end"))
    assert tops(runner) == [None, "1", "1"]


async def test_a_script_may_repeat_too(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": [1, 2]}
    report = await runner.run(Task(name="each", id="x", over="x", run="echo"), ask("end"))
    assert [entry["value"] for entry in report.outputs["x"]] == [1, 2]  # type: ignore[union-attr, index, call-overload]
    assert runner.fakes.deployed == ["echo", "echo", "end"]


async def test_a_required_task_that_is_skipped_stops_nothing(runner: FlowRunner) -> None:
    runner.fakes.skipped = {"a"}
    report = await runner.run(ask("a", must_complete=True, if_="false"), ask("end"))
    assert (report.status, [task.status for task in report.tasks]) == ("completed", ["skipped", "done"])


# Values (section 5)


async def test_all_results_of_a_task_are_pushed_in_their_order(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": [], "again": []}
    runner.fakes.agent = lambda request: several("first", "last") if request.prompt == "a" else several()
    await runner.run(ask("a"), ask("each", repeat_prompt=True), ask("again", repeat_prompt=True), ask("end"))
    assert tops(runner) == [None, "last", "first", None]


async def test_results_of_items_are_pushed_in_item_order(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": ["slow", "fast"], "b": [], "c": []}
    fast_done = asyncio.Event()

    async def answer(request: AgentRequest) -> BranchResult:
        if "slow" in request.prompt:
            await asyncio.wait_for(fast_done.wait(), 10)
        fast_done.set()
        return several(f"{request.prompt} 1", f"{request.prompt} 2")

    runner.fakes.agent = answer
    await runner.run(
        ask("each", over="x", async_=True), ask("b", repeat_prompt=True), ask("c", repeat_prompt=True), ask("end")
    )
    assert tops(runner) == [None, "each fast 2", "each fast 1", "each slow 2"]


async def test_a_task_that_gave_nothing_publishes_null_and_not_the_value_of_another(runner: FlowRunner) -> None:
    runner.fakes.agent = lambda request: several() if request.prompt == "b" else said(request.prompt)
    report = await runner.run(ask("a"), ask("b", id="b"))
    assert report.outputs == {"b": None}


async def test_a_failed_script_publishes_nothing_and_pushes_nothing(runner: FlowRunner) -> None:
    def fail(request: ShellRequest) -> BranchResult:
        if request.script == "good":
            return said("good")
        raise ApplicationError("exit code 3: why", type="ShellFailed")

    runner.fakes.shell = fail
    report = await runner.run(Task(name="a", id="a", run="good"), Task(name="b", id="b", run="bad"), ask("end"))
    assert (report.status, report.outputs) == ("completed_with_failures", {"a": "good"})
    assert report.tasks[1].failures[0].message == "exit code 3: why"
    assert (runner.fakes.deployed, tops(runner)[-1]) == (["good", "bad", "end"], "good")


async def test_the_model_of_an_entry_is_as_the_file_names_it(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": [1]}
    report = await runner.run(ask("each", id="x", over="x", model="fast"))
    assert report.outputs["x"] == [{"model": "fast", "item": 0, "value": 1, "result": "each 1"}]


async def test_one_model_under_models_pushes_its_results(runner: FlowRunner) -> None:
    await runner.run(ask("a", models=(ModelChoice(model="m"),)), ask("end"))
    assert tops(runner) == [None, "a"]


# Failure and retry (sections 7 and 8)


async def test_retry_and_timeouts_are_temporals_own(runner: FlowRunner) -> None:
    retry = Retry(
        maximum_attempts=7, initial_interval=3.0, backoff_coefficient=1.5, maximum_interval=9.0,
        non_retryable_error_types=("ModelUnavailable",),
    )  # fmt: skip
    times = {"start_to_close_timeout": 11.0, "schedule_to_close_timeout": 22.0, "heartbeat_timeout": 4.0}
    await runner.run(ask("a", retry=retry, **times), Task(name="b", run="x"))
    assert runner.handle
    scheduled = [
        event.activity_task_scheduled_event_attributes
        async for event in runner.handle.fetch_history_events()
        if event.HasField("activity_task_scheduled_event_attributes")
    ]
    prepare = next(activity for activity in scheduled if activity.activity_type.name == "prepare")
    assert prepare.heartbeat_timeout.seconds == 4  # a worker that is lost meanwhile is noticed as soon
    agent, script = (activity for activity in scheduled if activity.activity_type.name != "prepare")
    policy = agent.retry_policy
    assert (policy.maximum_attempts, policy.backoff_coefficient) == (7, 1.5)
    assert (policy.initial_interval.seconds, policy.maximum_interval.seconds) == (3, 9)
    assert "ModelUnavailable" in policy.non_retryable_error_types
    assert [getattr(agent, name).seconds for name in times] == [11, 22, 4]
    policy = script.retry_policy
    assert (policy.maximum_attempts, policy.backoff_coefficient) == (1, 2)
    assert (policy.initial_interval.seconds, policy.maximum_interval.seconds) == (5, 120)
    assert [getattr(script, name).seconds for name in times] == [7200, 86400, 60]


async def test_a_script_is_tried_once_unless_its_retry_says_how_often(runner: FlowRunner) -> None:
    def fail(request: ShellRequest) -> BranchResult:
        raise ApplicationError("exit code 1", type="ShellFailed")

    runner.fakes.shell = fail
    await runner.run(Task(name="a", run="false", retry=Retry(initial_interval=1.0)))
    assert runner.fakes.deployed == ["false"]


@pytest.mark.parametrize("kind", ["ContextTooLong", "TurnLimit", "UnknownTool", "OutputsInvalid"])
async def test_final_failures_fail_the_task_and_not_the_run(runner: FlowRunner, kind: str) -> None:
    runner.fakes.agent = failing(kind, prompt="a")  # type: ignore[assignment]
    report = await runner.run(ask("a"), ask("end"))
    assert (report.status, runner.fakes.deployed) == ("completed_with_failures", ["a", "end"])


async def test_a_failed_item_does_not_stop_the_others(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": [1, 2, 3]}
    runner.fakes.agent = failing("BadRequest", prompt="each 1")  # type: ignore[assignment]
    report = await runner.run(ask("each", over="x"), ask("end"))
    assert runner.fakes.deployed == ["each 1", "each 2", "each 3", "end"]
    assert (report.tasks[0].status, report.tasks[0].done, report.tasks[0].failed) == ("failed", 2, 1)


async def test_only_the_item_that_failed_is_run_again(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": [1, 2, 3]}
    runner.fakes.agent = failing("ModelUnavailable", 2, final=False, prompt="each 2")  # type: ignore[assignment]
    report = await runner.run(ask("each", over="x", async_=True))
    assert report.status == "completed"
    assert sorted(runner.fakes.deployed) == ["each 1", "each 2", "each 2", "each 2", "each 3"]


async def test_a_wrong_key_starts_no_further_branch_while_others_run(runner: FlowRunner) -> None:
    runner.fakes.items = {"each": list(range(6))}

    async def noted() -> bool:
        assert runner.handle
        report: RunReport = await runner.handle.query("status", result_type=RunReport)
        return report.tasks[0].failed == 1

    async def answer(request: AgentRequest) -> BranchResult:
        if request.prompt == "each 0":
            raise ApplicationError("401", type="ModelAccess", non_retryable=True)
        await until_async(noted)
        return said(request.prompt)

    runner.fakes.agent = answer
    report = await runner.run(ask("each", over="x", async_=True, async_limit=2, on_failure="fail"), ask("end"))
    assert (report.status, sorted(runner.fakes.deployed)) == ("failed", ["each 0", "each 1"])
    assert report.tasks[0].done == 1


async def test_under_on_failure_fail_a_required_failure_fails_the_run(runner: FlowRunner) -> None:
    runner.fakes.agent = failing("BadRequest")  # type: ignore[assignment]
    report = await runner.run(ask("a", must_complete=True, on_failure="fail"), ask("end"))
    assert (report.status, runner.fakes.deployed) == ("failed", ["a"])
