"""A branch goes on with another model where an endpoint fails (specification section 7)."""

from collections import Counter
from datetime import timedelta
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from grammar.documents.models import ModelConfig, Retry, Task
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult, Leg, Usage
from grammar.messages.events import RunEvents
from grammar.messages.reports import Manifest, RunReport
from tests.support.waiting import until_async
from tests.workflows.conftest import FlowRunner, ask
from tests.workflows.test_continue_as_new import histories, short

pytestmark = pytest.mark.asyncio(loop_scope="session")
__all__ = ["short"]
QUOTA = Leg(reason="unavailable", error="QuotaExhausted", message="429 no money left")
DOWN = Leg(reason="unavailable", error="ModelUnavailable", message="503 down")


def limited(delay: float | None = None) -> Leg:
    return Leg(reason="rate_limited", message="429 slow down", delay=delay)


class Endpoints:
    """An agent whose models' endpoints fail as `failing` says. `asked`: the models, and with which journal."""

    def __init__(self, runner: FlowRunner, **failing: Leg | Exception) -> None:
        self.failing: dict[str, Leg | Exception] = dict(failing)
        self.asked: list[tuple[str, str]] = []
        runner.fakes.agent = self

    def __call__(self, request: AgentRequest) -> BranchResult:
        name = request.model.name or ""
        self.asked.append((name, request.journal))
        failure = self.failing.get(name)
        if isinstance(failure, Exception):
            raise failure
        if failure:
            usage = Usage(requests=1, input_tokens=10) if failure.turns else Usage()
            return BranchResult(leg=failure, model=f"{name}-id", usage=usage)
        before = Usage(requests=1, input_tokens=10) if request.journal else Usage()
        usage = before + Usage(requests=1, input_tokens=5)
        return BranchResult(value=name, produced=True, model=f"{name}-id", usage=usage)

    @property
    def counts(self) -> Counter[str]:
        return Counter(name for name, _ in self.asked)


def took(report: RunReport) -> float:
    task = report.tasks[0]
    assert task.started and task.ended
    return (task.ended - task.started) / timedelta(seconds=1)


@pytest.mark.parametrize("as_leg", [True, False], ids=["left off", "failed"])
async def test_without_quota_no_branch_asks_in_its_turn(runner: FlowRunner, as_leg: bool) -> None:
    error = ApplicationError("429 no money left", type="QuotaExhausted", non_retryable=True)
    endpoints = Endpoints(runner, a=QUOTA if as_leg else error)
    runner.fakes.items["each"] = list(range(50))
    report = await runner.run(ask("each", over="x", async_=True, async_limit=5, model="a", fallback=("b",)))
    assert report.status == "completed"
    assert (endpoints.counts["a"], endpoints.counts["b"]) == (5, 50)
    assert report.tasks[0].warnings == ["b went on in place of a: 429 no money left"]
    assert took(report) < 5


@pytest.mark.parametrize(
    ("failure", "fields", "asked", "seconds"),
    [
        (DOWN, {}, 5, 5 + 10 + 20 + 40),
        (DOWN, {"retry": Retry(maximum_attempts=3, initial_interval="2s", backoff_coefficient=3)}, 3, 2 + 6),
        (DOWN, {"retry": Retry(non_retryable_error_types=("ModelUnavailable",))}, 1, 0),
        (limited(), {}, 5, 5 + 10 + 20 + 40),
        (limited(60), {"fallback_after": "190s"}, 4, 180),
        (limited(3600), {"fallback_after": "5m"}, 1, 0),
        (DOWN, {"fallback_after": "14s"}, 2, 5),
        (DOWN, {"fallback_after": "10m"}, 9, 5 + 10 + 20 + 40 + 80 + 120 * 3),
        (QUOTA, {"fallback_after": "10m"}, 1, 0),
        (limited(3600), {"schedule_to_close_timeout": "30m"}, 1, 0),
    ],
)
async def test_how_long_an_endpoint_is_waited_for(
    runner: FlowRunner, failure: Leg, fields: dict[str, Any], asked: int, seconds: int
) -> None:
    endpoints = Endpoints(runner, a=failure)
    report = await runner.run(ask("t", model="a", fallback=("b",), **fields))
    assert (report.status, endpoints.counts) == ("completed", {"a": asked, "b": 1})
    assert seconds <= took(report) < seconds + 5


async def test_the_conversation_goes_on_and_each_model_is_told_with_its_usage(runner: FlowRunner) -> None:
    endpoints = Endpoints(runner, a=QUOTA.model_copy(update={"turns": 1}))
    handle = await runner.start(ask("t", model="a", fallback=("b",)))
    assert (await handle.result()).tasks[0].usage.input_tokens == 15
    assert endpoints.asked == [("a", ""), ("b", "task-1")]
    manifest: Manifest = await handle.query("manifest", result_type=Manifest)
    (branch,) = manifest.branches
    told = [(asked.named, asked.model, asked.usage.input_tokens) for asked in branch.asked]
    assert (branch.model, told) == ("b-id", [("a", "a-id", 10), ("b", "b-id", 5)])
    events: RunEvents = await handle.query("journal", 0, result_type=RunEvents)
    (event,) = [event for event in events.entries if event.kind == "fallback"]
    assert (event.model, event.error, event.note) == ("b", "QuotaExhausted", "429 no money left")
    (progress,) = events.tasks
    assert [(asked.named, asked.usage.input_tokens) for asked in progress.usage_by_model] == [("a", 10), ("b", 5)]


async def test_after_its_time_one_branch_tries_the_model_again(runner: FlowRunner) -> None:
    endpoints = Endpoints(runner, a=QUOTA)
    runner.fakes.items["each"] = list(range(12))
    turns = iter(range(100))

    def agent(request: AgentRequest) -> BranchResult:
        """Each branch takes 100 s: the model is tried again with the fourth, and after a longer time with the tenth."""
        given = endpoints(request)
        waits = request.model.name == "b" and next(turns) % 2 == 0
        return BranchResult(leg=limited(100)) if waits else given

    runner.fakes.agent = agent
    report = await runner.run(ask("each", over="x", model="a", fallback=("b",)))
    assert report.status == "completed"
    assert [index for index, (name, _) in enumerate(endpoints.asked) if name == "a"] == [0, 7, 20]


async def test_a_model_that_answers_again_is_asked_by_all(runner: FlowRunner) -> None:
    endpoints = Endpoints(runner, a=QUOTA, b=limited(400))
    runner.fakes.items["each"] = list(range(5))

    def agent(request: AgentRequest) -> BranchResult:
        given = endpoints(request)
        if request.model.name == "b":  # the endpoint of the second one recovers, and so does that of the first
            endpoints.failing.clear()
        return given

    runner.fakes.agent = agent
    report = await runner.run(ask("each", over="x", model="a", fallback=("b",)))
    assert report.status == "completed"
    assert [name for name, _ in endpoints.asked] == ["a", "b", "b", "a", "a", "a", "a"]


@pytest.mark.parametrize(("last", "kind"), [("c", "QuotaExhausted"), ("b", "BadRequest")])
async def test_what_no_model_can_do_fails_as_ever_and_begins_with_the_first_again(
    runner: FlowRunner, last: str, kind: str
) -> None:
    error = ApplicationError("no", type=kind, non_retryable=True)
    failing: dict[str, Leg | Exception] = {"a": QUOTA, "b": QUOTA, last: error}
    endpoints = Endpoints(runner, **failing)
    handle = await runner.start(ask("t", model="a", fallback=("b", "c"), must_complete=True))

    async def is_parked() -> bool:
        report: RunReport = await handle.query("status", result_type=RunReport)
        return report.parked is not None and report.parked.failure.type == kind

    await until_async(is_parked)
    endpoints.failing.clear()
    await handle.execute_update("retry")
    with runner.env.auto_time_skipping_disabled():
        report = await handle.result()
    assert report.status == "completed"
    names = [name for name, _ in endpoints.asked]
    assert names == [*["a", "b", "c"][: "abc".index(last) + 1], "a"]


async def test_each_model_of_a_task_has_its_own(runner: FlowRunner) -> None:
    config = ModelConfig(
        models={"strong": "gpt", "weak": "mini"},
        model_settings={"strong": {"fallback": ["weak"], "endpoint": "http://x"}},
    )
    endpoints = Endpoints(runner, gpt=QUOTA)
    runner.config = config
    handle = await runner.start(ask("t", models=[{"model": "strong"}, {"model": "other"}]))
    assert (await handle.result()).status == "completed"
    manifest: Manifest = await handle.query("manifest", result_type=Manifest)
    assert [branch.model for branch in manifest.branches] == ["mini-id", "other-id"]
    assert endpoints.counts == {"gpt": 1, "mini": 1, "other": 1}


async def test_a_new_history_knows_who_cools_down(short: FlowRunner) -> None:
    endpoints = Endpoints(short, a=QUOTA)
    short.fakes.items["each"] = list(range(60))
    report = await short.run(ask("each", over="x", async_=True, async_limit=5, model="a", fallback=("b",)))
    assert (report.status, endpoints.counts) == ("completed", {"a": 5, "b": 60})
    assert len(await histories(short)) > 2


async def test_a_task_without_a_fallback_is_as_before(runner: FlowRunner) -> None:
    asked: list[AgentRequest] = []

    def agent(request: AgentRequest) -> BranchResult:
        asked.append(request)
        raise ApplicationError("429 no money left", type="QuotaExhausted", non_retryable=True)

    runner.fakes.agent = agent
    report = await runner.run(ask("t", model="a", on_failure="fail"), Task(name="then", run="true"))
    assert report.failure and report.failure.type == "QuotaExhausted"
    assert [(request.models, request.model_number) for request in asked] == [([], 0)]
