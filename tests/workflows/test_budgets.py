"""Budgets of a run, a task and an item: what is handed out, where the run parks, and how it goes on (section 11)."""

import asyncio
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import pytest
from temporalio import activity
from temporalio.client import WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from grammar.budgets.allowance import is_used_up
from grammar.documents.budget import Budget
from grammar.documents.models import ModelConfig, Price
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult, FailureDetails, Leg, PendingCall, Usage
from grammar.messages.budgets import BudgetRaise
from grammar.messages.events import RunEvents
from grammar.messages.reports import RunReport
from tests.support.waiting import until_async
from tests.workflows.conftest import FlowRunner, ask, said
from tests.workflows.test_parking import ended, parked

pytestmark = pytest.mark.asyncio(loop_scope="session")

ONE = Usage(requests=1, input_tokens=90_000, output_tokens=10_000)
"""One request: 100,000 tokens, $0.10."""
CONFIG = ModelConfig(models={"big": "m"}, prices={"m": Price(input=1, output=1)})
ITEMS = 40


@dataclass
class Agents:
    """Agents that ask their model so often, and are held to their allowance as real ones are.

    `requests`: by prompt, of all legs. `legs`: how many there were of one prompt.
    """

    turns: int = 1
    requests: Counter[str] = field(default_factory=Counter)
    legs: Counter[str] = field(default_factory=Counter)

    def __call__(self, request: AgentRequest) -> BranchResult:
        self.legs[request.prompt] += 1
        while self.requests[request.prompt] < self.turns:
            used = times(self.requests[request.prompt])
            if request.allowance and is_used_up(request.allowance, "m", used, 0):
                turns = self.requests[request.prompt]
                return BranchResult(leg=Leg(reason="budget", turns=turns), usage=used, model="m")
            self.requests[request.prompt] += 1
        return said(request.prompt).model_copy(update={"usage": times(self.turns)})


def times(number: int) -> Usage:
    return sum([ONE] * number, Usage())


def agents(runner: FlowRunner, turns: int = 1, items: int = ITEMS, **flow: Any) -> Agents:
    """A fan-out `each` of so many items."""
    runner.fakes.items["each"] = list(range(items))
    runner.fakes.agent = found = Agents(turns)
    runner.flow = {"config": CONFIG, **flow}
    return found


def fan_out(**fields: Any) -> Any:
    return ask("each", over="x", async_=True, async_limit=5, model="big", **fields)


def reason(refused: WorkflowUpdateFailedError) -> str:
    assert isinstance(refused.cause, ApplicationError)
    return refused.cause.message


LIMITS: list[tuple[Budget, BudgetRaise, int, int]] = [
    (Budget(usd=2), BudgetRaise(usd=30), 20, 25),
    (Budget(tokens=2_000_000), BudgetRaise(tokens=30_000_000), 20, 25),
    (Budget(requests=20), BudgetRaise(requests=300), 20, 20),
]


@pytest.mark.parametrize("turns", [1, 3])
@pytest.mark.parametrize("of", ["run", "task"])
@pytest.mark.parametrize(("budget", "more", "least", "most"), LIMITS, ids=["usd", "tokens", "requests"])
async def test_no_more_is_spent_than_allowed_and_what_is_in_flight(
    runner: FlowRunner, budget: Budget, more: BudgetRaise, least: int, most: int, of: str, turns: int
) -> None:
    made = agents(runner, turns, budget=budget if of == "run" else None)
    handle = await runner.start(fan_out(budget=budget if of == "task" else None), ask("last", model="big"))
    report = await parked(handle)
    assert least <= made.requests.total() <= most
    whole = report.budget if of == "run" else report.tasks[0].budget
    assert whole and whole.spent.requests == made.requests.total() == report.usage.requests
    assert report.parked and report.parked.is_at_budget
    whose = "run" if of == "run" else "each"
    assert report.parked.failure.message.startswith(f"the budget of {'the ' * (of == 'run')}{whose} is used up: ")
    left = f"left to do: {ITEMS - report.tasks[0].done} of {ITEMS} branches of each, last"
    assert report.parked.failure.message.endswith(left)
    assert (report.tasks[0].failed > 0) == (turns > 1), "what had begun is left off, the others have not begun"
    await handle.execute_update("raise_budget", more)
    report = await ended(runner, handle)
    assert (report.status, report.tasks[0].done, report.tasks[0].failed) == ("completed", ITEMS, 0)
    assert set(made.requests.values()) == {turns}, "nothing is asked twice"
    assert report.budget and report.budget.spent.requests == (ITEMS + 1) * turns
    assert report.budget.spent.usd == pytest.approx((ITEMS + 1) * turns * 0.1)


async def test_each_item_has_a_budget_of_its_own(runner: FlowRunner) -> None:
    made = agents(runner, turns=3, items=6)
    handle = await runner.start(fan_out(item_budget=Budget(requests=2)))
    report = await parked(handle)
    assert (report.tasks[0].done, report.tasks[0].failed, set(made.requests.values())) == (0, 6, {2})
    assert report.parked
    assert report.parked.failure.message == "the budget of each item of each is used up: 2 of 2 requests"
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update("raise_budget", {"usd": 1})
    assert reason(refused.value) == "the budget of each item of each does not limit usd, but requests"
    await handle.execute_update("raise_budget", {"requests": 1})
    report = await ended(runner, handle)
    assert (report.status, set(made.requests.values())) == ("completed", {3})


@pytest.mark.parametrize(
    ("of", "on_budget", "status", "tasks"),
    [
        ("run", "fail", "failed", ["failed", "waiting", "waiting"]),
        ("run", "finish", "completed_with_failures", ["failed", "done", "failed"]),
        ("task", "fail", "failed", ["failed", "waiting", "waiting"]),
        ("task", "finish", "completed_with_failures", ["failed", "done", "done"]),
        ("item", "fail", "failed", ["failed", "waiting", "waiting"]),
        ("item", "finish", "completed_with_failures", ["failed", "done", "done"]),
    ],
)
async def test_what_a_used_up_budget_does(
    runner: FlowRunner, of: str, on_budget: Any, status: str, tasks: list[str]
) -> None:
    """With `finish`, what runs is completed; after the run's is used up, no fan-out starts, but the rest is done."""
    budget, few = Budget(requests=7), Budget(requests=1)
    flow = {"budget": budget, "on_budget": on_budget} if of == "run" else {}
    made = agents(runner, turns=3, items=10, **flow)
    runner.fakes.items["more"] = [1, 2]
    each = {"budget": budget if of == "task" else None, "item_budget": few if of == "item" else None}
    first = fan_out(**each, on_budget=on_budget if of != "run" else "park")
    report = await runner.run(first, ask("sum up"), ask("more", over="y"))
    assert (report.status, [task.status for task in report.tasks]) == (status, tasks)
    if on_budget == "finish" and of != "item":
        assert {made.requests[f"each {number}"] for number in range(10)} == {0, 3}, "nothing is left in its middle"
        assert report.tasks[0].done == 5
        assert "left to do: 5 of 10 branches of each" in report.tasks[0].failures[0].message
    if on_budget == "fail":
        assert report.failure and report.failure.type == "BudgetReached"


async def test_with_finish_a_branch_that_waits_for_its_first_share_does_not_start(runner: FlowRunner) -> None:
    made, held = agents(runner, items=3), asyncio.Event()

    async def agent(request: AgentRequest) -> BranchResult:
        if request.prompt == "each 1":
            await held.wait()
        return made(request)

    runner.fakes.agent = agent
    task = fan_out(budget=Budget(requests=2), on_budget="finish").model_copy(update={"async_limit": 2})
    handle = await runner.start(task)

    async def first_is_done() -> bool:
        report: RunReport = await handle.query("status", result_type=RunReport)
        return report.tasks[0].done == 1

    await until_async(first_is_done)
    held.set()
    report: RunReport = await handle.result()
    assert (report.tasks[0].done, made.requests["each 2"]) == (2, 0)


async def test_time_passes_while_the_run_works_alone(runner: FlowRunner) -> None:
    """A run that is parked, or waits for a person, spends none."""

    async def slow(request: AgentRequest) -> BranchResult:
        if request.prompt == "each 0" and not request.leg:
            return BranchResult(leg=Leg(calls=[PendingCall(id="c", tool="rm", toolbox="box", arguments="{}")]))
        assert request.allowance and request.allowance.time
        left.append(request.allowance.time)
        return said(request.prompt)

    left: list[float] = []
    agents(runner, items=3, budget=Budget(time=100))
    runner.fakes.agent = slow
    handle = await runner.start(ask("each", over="x"))

    async def asked() -> bool:
        return bool((await handle.query("status", result_type=RunReport)).approvals)

    await until_async(asked)
    await runner.env.sleep(3600)
    await handle.signal("approve", "task-1-item-1-call-1")
    report = await handle.result()
    assert (report.status, len(left)) == ("completed", 3)
    assert min(left) > 90


async def test_a_run_whose_time_is_up(runner: FlowRunner) -> None:
    def limited(request: AgentRequest) -> BranchResult:
        if activity.info().activity_id == "task-1-item-1":
            return BranchResult(leg=Leg(reason="rate_limited", delay=90, message="slow down"), usage=ONE)
        return said(request.prompt).model_copy(update={"usage": ONE})

    agents(runner, items=3, budget=Budget(time=60))
    runner.fakes.agent = limited
    runner.flow["on_budget"] = "fail"
    report = await runner.run(ask("each", over="x"), ask("end", run=None))
    assert report.failure and "1 min 30 s of 1 min 0 s" in report.failure.message
    assert (report.tasks[0].done, report.tasks[0].failed) == (0, 1)
    assert report.tasks[0].usage == ONE, "what its earlier legs used counts"


@pytest.mark.parametrize(("journaled", "spent"), [(times(3), 5), (None, 9)])
async def test_what_failed_branches_used_counts(runner: FlowRunner, journaled: Usage | None, spent: int) -> None:
    """Where a worker was lost for good, its journal tells; where that is lost too, all that was handed out counts."""

    def fails(request: AgentRequest) -> BranchResult:
        assert request.allowance
        given[request.prompt] = request.allowance.requests or 0
        if request.prompt == "each 0":
            details = FailureDetails(usage=times(2), attempts=1, model="m")
            raise ApplicationError("no", details, type="BadRequest", non_retryable=True)
        raise ApplicationError("lost", type="ModelUnavailable", non_retryable=True)

    given: dict[str, int] = {}
    agents(runner, items=2, budget=Budget(requests=9))
    runner.fakes.agent, runner.fakes.journaled = fails, journaled
    handle = await runner.start(ask("each", over="x", must_complete=True))
    report = await parked(handle)
    assert given == {"each 0": 9, "each 1": 7}
    assert [asked.journal for asked in runner.fakes.counted] == ["task-1-item-2"]
    assert report.budget and report.budget.spent.requests == spent
    assert report.usage.requests == (5 if journaled else 2), "what is reported is what is known"
    runner.fakes.agent = Agents()
    await handle.execute_update("raise_budget", {"requests": 10})
    await handle.execute_update("retry")
    report = await ended(runner, handle)
    assert report.budget and report.budget.spent.requests == 4, "two that were given up, and two new ones"
    assert report.status == "completed"


async def test_a_leg_waits_for_what_others_give_back(runner: FlowRunner) -> None:
    """One branch uses up its share while the other holds the rest, and goes on once that has ended."""

    async def uneven(request: AgentRequest) -> BranchResult:
        if request.prompt == "each 1":
            await go_on.wait()
            return said("short").model_copy(update={"usage": times(1)})
        return Agents.__call__(made, request)

    made = agents(runner, turns=8, items=2, budget=Budget(requests=10))
    runner.fakes.agent, go_on = uneven, asyncio.Event()
    handle = await runner.start(fan_out())

    async def waits() -> bool:
        return made.legs["each 0"] == 1 and made.requests["each 0"] == 5

    await until_async(waits)
    assert (await handle.query("status", result_type=RunReport)).budget.spent.requests == 5
    go_on.set()
    report = await handle.result()
    assert (report.status, made.requests["each 0"], made.legs["each 0"]) == ("completed", 8, 2)


async def test_each_leg_counts_at_the_price_of_its_model(runner: FlowRunner) -> None:
    """A fallback goes on with the conversation, and is paid for what it adds to it."""

    def answer(request: AgentRequest) -> BranchResult:
        if request.model.name == "dear":
            assert request.allowance and request.allowance.usd == 5
            down = Leg(reason="unavailable", error="QuotaExhausted", message="no money", turns=1)
            return BranchResult(leg=down, model="dear", usage=times(1))
        assert request.allowance and request.allowance.usd == 4
        assert request.allowance.since == times(1)
        return said("done").model_copy(update={"usage": times(3), "model": "cheap"})

    prices = {"dear": Price(input=10, output=10), "cheap": Price(input=1, output=1)}
    agents(runner, budget=Budget(usd=5), config=ModelConfig(prices=prices))
    runner.fakes.agent = answer
    report = await runner.run(ask("one", model="dear", fallback=("cheap",)))
    assert report.budget and report.budget.spent.usd == pytest.approx(1.2)
    assert report.budget.spent.requests == 3


async def test_raised_while_it_runs(runner: FlowRunner) -> None:
    """Before it is used up, nothing is parked; an unknown budget is refused, as a signal it is ignored."""

    async def held(request: AgentRequest) -> BranchResult:
        await go_on.wait()
        return made(request)

    made, go_on = agents(runner, items=8, budget=Budget(requests=5)), asyncio.Event()
    runner.fakes.agent = held
    handle = await runner.start(fan_out())
    for more, says in [
        ({"usd": 1}, "the budget of the run does not limit usd, but requests"),
        ({"requests": 1, "of": "task"}, "there is no such budget: the budget of each"),
        ({"requests": 1, "task": "other"}, "there is no task 'other'"),
    ]:
        with pytest.raises(WorkflowUpdateFailedError) as refused:
            await handle.execute_update("raise_budget", more)
        assert reason(refused.value) == says
        await handle.signal("raise_budget", more)
    await handle.signal("raise_budget", {"requests": 3})
    go_on.set()
    report = await handle.result()
    assert (report.status, report.budget and report.budget.limit) == ("completed", Budget(requests=8))
    journal: RunEvents = await handle.query("journal", result_type=RunEvents)
    raised = [event.note for event in journal.entries if event.kind == "budget_raised"]
    assert raised == ["the budget of the run: 8 requests"]


async def test_a_raise_that_is_too_small_and_other_decisions(runner: FlowRunner) -> None:
    made = agents(runner, turns=2, items=6, budget=Budget(usd=0.3))
    handle = await runner.start(fan_out(id="each"), ask("end", run="true"))
    report = await parked(handle)
    spent = made.requests.total()
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update("raise_budget", {"usd": 0.001})
    assert "the budget of the run would be used up still: $0.30" in reason(refused.value)
    await handle.execute_update("retry")

    async def again() -> RunReport | None:
        found = await parked(handle)
        return found if found.parked != report.parked else None

    await until_async(again)
    assert made.requests.total() == spent
    await handle.execute_update("skip")
    report = await ended(runner, handle)
    assert (report.status, made.requests.total()) == ("completed_with_failures", spent)
    assert [task.status for task in report.tasks] == ["failed", "done"], "a script asks no model"


async def test_without_budgets_nothing_is_told_of_them(runner: FlowRunner) -> None:
    agents(runner, items=3)
    report = await runner.run(fan_out())
    assert (report.budget, report.tasks[0].budget, report.status) == (None, None, "completed")
