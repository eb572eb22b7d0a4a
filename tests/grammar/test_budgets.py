"""Budgets and brakes as rules (specification section 11): shares, what is used up, when a fan-out is stopped."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from grammar.budgets import allowance, brakes, confirmation, told
from grammar.budgets.account import Account, least
from grammar.documents.budget import Budget, ConfirmOver, StopAfter
from grammar.documents.models import ModelConfig, Price, Task, Taskflow
from grammar.messages.activity_results import Usage
from grammar.messages.budgets import Allowance, BudgetRaise, BudgetReport, Spent
from grammar.messages.continue_as_new import FailureStreak
from grammar.messages.reports import Failure, TaskReport

NOON = datetime(2026, 1, 1, 12, tzinfo=UTC)
PRICES = {"m": Price(input=1, output=2)}
USED = Usage(requests=2, input_tokens=90_000, output_tokens=10_000)


def later(seconds: float) -> datetime:
    return NOON + timedelta(seconds=seconds)


# What is written


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ({"usd": 5}, {"usd": 5}),
        ({"usd": "$0.50", "tokens": "2M"}, {"usd": 0.5, "tokens": 2_000_000}),
        ({"tokens": "1.5k", "requests": 3.0, "time": "2h"}, {"tokens": 1500, "requests": 3, "time": 7200}),
    ],
)
def test_a_budget_as_it_is_written(written: dict[str, Any], read: dict[str, float]) -> None:
    assert Budget.model_validate(written).units == read


@pytest.mark.parametrize(
    ("model", "written", "says"),
    [
        (Budget, {}, "it limits nothing"),
        (Budget, {"usd": None}, "it limits nothing"),
        (Budget, {"usd": 0}, "more than 0"),
        (Budget, {"usd": "five"}, "write US dollars"),
        (Budget, {"usd": True}, "write US dollars"),
        (Budget, {"usd": float("nan")}, "more than 0"),
        (Budget, {"tokens": "2 million"}, "write a number"),
        (Budget, {"tokens": 1.5}, "write a number"),
        (Budget, {"requests": 0}, "at least 1"),
        (Budget, {"time": "soon"}, "write a duration"),
        (Budget, {"dollars": 5}, "Extra inputs"),
        (StopAfter, {"share": 2}, "less than or equal to 1"),
        (StopAfter, {"in_row": 5}, "Extra inputs"),
        (ConfirmOver, {}, "it limits nothing"),
        (Task, {"run": "x", "on_budget": "stop"}, "'park', 'fail' or 'finish'"),
    ],
)
def test_what_is_no_budget(model: Any, written: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        model.model_validate(written)


def test_more_is_added_to_what_is_limited_alone() -> None:
    budget = Budget(usd=2, requests=10)
    assert budget.plus(BudgetRaise(usd=3, tokens=5)).units == {"usd": 5, "requests": 10}
    assert budget.replaced_by(Budget(usd=9, tokens=5)).units == {"usd": 9, "tokens": 5, "requests": 10}


def test_where_budgets_stand() -> None:
    flow = Taskflow.model_validate(
        {"budget": {"usd": 5}, "on_budget": "finish", "confirm_over": {"items": 200}, "taskflow": [{"run": "x"}]}
    )
    assert flow.budget and flow.confirm_over
    assert (flow.budget.usd, flow.on_budget, flow.confirm_over.items) == (5, "finish", 200)


# Accounts


def test_shares_of_what_is_left() -> None:
    """A fair share each; what others hold is not given twice; whole requests; nothing where others hold all."""
    account = Account(Budget(usd=2, requests=7))
    for number in range(5):
        share = account.share(5, NOON)
        assert share == {"usd": pytest.approx(0.4), "requests": 1}
        account.hand_out(f"leg {number}", share)
    assert account.share(5, NOON) == {"usd": 0, "requests": 1}
    account.settle("leg 0", Spent(usd=0.1, requests=1))
    assert account.share(5, NOON) == {"usd": pytest.approx(0.3), "requests": 1}
    assert account.left(NOON) == {"usd": pytest.approx(1.9), "requests": 6}
    account.settle("leg 1", Spent(usd=5, requests=1))
    assert account.left(NOON)["usd"] == 0
    assert account.used_up(("usd", "requests"), NOON) == "usd"
    assert account.used_up(("requests",), NOON) is None


def test_what_is_spent_in_small_parts_adds_up() -> None:
    account = Account(Budget(usd=2))
    for _ in range(20):
        account.settle("leg", Spent(usd=0.1))
    assert account.used_up(("usd",), NOON) == "usd"


def test_time_is_that_in_which_anything_works() -> None:
    account = Account(Budget(time=60))
    account.begin_work(NOON)
    account.begin_work(later(10))
    account.end_work(later(20))
    assert account.left(later(30)) == {"time": 30}
    account.end_work(later(40))
    assert account.left(later(9_000)) == {"time": 20}
    account.begin_work(later(9_000))
    assert account.used_up(("usd",), later(9_030)) is None
    assert account.used_up(("usd", "time"), later(9_030)) == "time"


def test_without_a_limit_it_is_kept_all_the_same() -> None:
    account = Account()
    account.settle("leg", Spent(usd=3, tokens=5))
    assert account.left(NOON) == account.share(5, NOON) == {}
    assert account.report(NOON) == BudgetReport(spent=Spent(usd=3, tokens=5))


def test_the_least_of_several() -> None:
    assert least([{"usd": 2.0}, {"usd": 1.0, "requests": 5}, {}]) == {"usd": 1, "requests": 5}


# Allowances


def test_an_allowance_has_prices_where_it_needs_them() -> None:
    config = ModelConfig(prices=PRICES)
    given = allowance.allowance({"usd": 0.5, "tokens": 10.0}, 60, USED, USED, config, "big")
    typical = Usage(requests=1, input_tokens=45_000, output_tokens=5_000)
    assert given == Allowance(usd=0.5, tokens=10, time=60, since=USED, typical=typical, prices=PRICES, model="big")
    assert allowance.allowance({"requests": 1}, None, Usage(), Usage(), config, None) == Allowance(requests=1)


@pytest.mark.parametrize(
    ("given", "seconds", "expected"),
    [
        ({"usd": 0.111}, 0, False),
        ({"usd": 0.11}, 0, True),
        ({"tokens": 100_001}, 0, False),
        ({"tokens": 100_000}, 0, True),
        ({"requests": 3}, 0, False),
        ({"requests": 2}, 0, True),
        ({"time": 60}, 59.9, False),
        ({"time": 60}, 60, True),
        ({"usd": 1, "requests": 1}, 0, True),
        ({"usd": 0.11, "since": Usage(requests=1, input_tokens=1)}, 0, False),
    ],
)
def test_when_an_allowance_is_used_up(given: dict[str, Any], seconds: float, expected: bool) -> None:
    """By what was used since it was given: 90,000 tokens at $1 a million, and 10,000 at $2."""
    assert allowance.is_used_up(Allowance(prices=PRICES, **given), "m", USED, seconds) is expected


@pytest.mark.parametrize(
    ("given", "model", "expected"),
    [
        (Allowance(usd=1, prices=PRICES), "m", False),
        (Allowance(usd=1, prices=PRICES), "n", True),
        (Allowance(usd=1, prices={"big": Price(input=1, output=1)}, model="big"), "n", False),
        (Allowance(usd=1), "toy (embedded)", False),
        (Allowance(tokens=1), "n", False),
    ],
)
def test_whether_a_price_is_missing(given: Allowance, model: str, expected: bool) -> None:
    assert allowance.is_unpriced(given, model) is expected


def test_what_usage_comes_to() -> None:
    config = ModelConfig(prices=PRICES)
    assert allowance.spent(config, None, "m", USED) == Spent(usd=0.11, tokens=100_000, requests=2)
    assert allowance.spent(config, None, "toy (embedded)", USED) == Spent(tokens=100_000, requests=2)


# What is told


def test_what_people_are_told() -> None:
    report = BudgetReport(
        limit=Budget(usd=2, tokens=2_000_000, requests=500, time=7200),
        spent=Spent(usd=2.4, tokens=24_000, requests=24, time=65),
    )
    assert (
        told.spent_of(report)
        == "$2.40 of $2.00, 24,000 of 2,000,000 tokens, 24 of 500 requests, 1 min 5 s of 2 h 0 min"
    )
    assert told.spent_of(BudgetReport()) == told.spent_of(None) == ""
    tasks = [
        TaskReport(name="list", status="done", done=1, total=1, budget=BudgetReport()),
        TaskReport(name="scan", status="running", done=24, total=100, budget=BudgetReport(spent=report.spent)),
        *(TaskReport(name=name) for name in ("sort", "mail", "tidy", "a", "b", "c")),
    ]
    what = told.used_up("run", "scan", BudgetReport(limit=Budget(usd=2), spent=report.spent))
    assert told.summary(what, tasks) == (
        "the budget of the run is used up: $2.40 of $2.00. spent on scan: $2.40, 24,000 tokens, 24 requests. "
        "left to do: 76 of 100 branches of scan, sort, mail, tidy, a, 2 more"
    )
    assert told.used_up("item", "scan", report) == "the budget of each item of scan is used up: $2.40 of $2.00"
    assert told.amount("requests", 1) == "1 request"


# Brakes


def failed(kind: str = "UnknownTool", message: str = "no tool x") -> Failure:
    return Failure(task="scan", type=kind, message=message)


def streak(*failures: Failure) -> FailureStreak:
    found = FailureStreak()
    for failure in failures:
        found = brakes.longer(found, failure)
    return found


ALIKE = [failed()] * 5
MIXED = [*[failed()] * 4, failed("Timeout", "late")]


@pytest.mark.parametrize(
    ("rule", "failures", "done", "expected"),
    [
        (None, ALIKE[:4], 0, None),
        (None, ALIKE, 0, "5 branches failed alike, one after the other, before any succeeded: all of them with "
                         "UnknownTool, no tool x. 195 of 200 branches have not ended"),
        (None, ALIKE, 1, None),
        (None, MIXED, 0, None),
        ({}, ALIKE, 0, None),
        ({"failures": 5}, MIXED, 9, "5 branches failed (stop_after: 5): 4 of them with UnknownTool, no tool x"),
        ({"failures": 6}, MIXED, 9, None),
        ({"in_a_row": 5}, MIXED, 9, "5 branches failed in a row (stop_after: 5)"),
        ({"share": 0.5}, ALIKE, 4, None),
        ({"share": 0.5}, ALIKE, 5, "5 of 10 branches failed (stop_after: a share of 0.5)"),
        ({"share": 0.5}, ALIKE, 6, None),
        ({"failures": 2}, [failed(message="a"), failed(message="b")], 0, "all of them with UnknownTool, b"),
    ],
)  # fmt: skip
def test_when_a_fan_out_is_stopped(
    rule: dict[str, Any] | None, failures: list[Failure], done: int, expected: str | None
) -> None:
    given = None if rule is None else StopAfter.model_validate(rule)
    why = brakes.why_stopped(given, streak(*failures), failures, done, 200)
    assert why is None if expected is None else expected in (why or "")


# Confirmation


@pytest.mark.parametrize(
    ("rule", "items", "estimate", "confirmed", "expected"),
    [
        ({"items": 200}, 200, None, (), None),
        ({"items": 200}, 201, None, (), ("items", "201 items, and confirm_over is 200")),
        ({"items": 200}, 201, None, ("items",), None),
        ({"usd": 20}, 201, None, (), None),
        ({"usd": 20}, 201, 20.0, (), None),
        ({"usd": 20}, 201, 30.0, ("items",),
         ("usd", "about $30.00 in all, by what it cost so far, and confirm_over is $20.00")),
        ({"items": 1, "usd": 20}, 201, 30.0, ("items", "usd"), None),
    ],
)  # fmt: skip
def test_when_a_fan_out_asks(rule: Any, items: int, estimate: Any, confirmed: Any, expected: Any) -> None:
    assert confirmation.question(ConfirmOver.model_validate(rule), items, estimate, confirmed) == expected


def test_the_cost_is_estimated_by_what_has_ended() -> None:
    assert confirmation.estimated_cost(Spent(usd=0.3), 2, 100) is None
    assert confirmation.estimated_cost(Spent(usd=0.3), 3, 100) == pytest.approx(10)
