"""What people are told of budgets: amounts, how much of a budget is spent, on what, and what is left to do."""

from collections.abc import Iterable, Sequence
from datetime import timedelta

from grammar.documents.budget import Budget, Unit
from grammar.documents.durations import spoken
from grammar.messages.budgets import BudgetOf, BudgetReport, Spent
from grammar.messages.reports import TaskReport
from grammar.model_access.prices import dollars

NAMED = 5
"""So many tasks are named."""


def amount(unit: Unit, value: float) -> str:
    """Return so much of a unit, as people read it: `$2.40`, `24,000 tokens`, `1 request`, `2 h 10 min`."""
    if unit == "usd":
        return dollars(value)
    if unit == "time":
        return spoken(timedelta(seconds=value))
    name = unit.removesuffix("s") if value == 1 else unit
    return f"{round(value):,} {name}"


def spent_of(report: BudgetReport | None) -> str:
    """Return how much of the budget is spent: `$2.40 of $2.00, 24 of 500 requests`; empty where there is none."""
    if report is None or report.limit is None:
        return ""
    parts = ((unit, report.spent.of(unit), limit) for unit, limit in report.limit.units.items())
    return ", ".join(f"{_without_unit(unit, value)} of {amount(unit, limit)}" for unit, value, limit in parts)


def spending(spent: Spent) -> str:
    """Return all that was spent, but for the time: `$2.40, 24,000 tokens, 24 requests`."""
    usd = [amount("usd", spent.usd)] if spent.usd else []
    return ", ".join([*usd, amount("tokens", spent.tokens), amount("requests", spent.requests)])


def limit_of(budget: Budget) -> str:
    """Return what may be spent: `$2.00, 500 requests`."""
    return ", ".join(amount(unit, limit) for unit, limit in budget.units.items())


def whose(of: BudgetOf, task: str) -> str:
    """Return what a budget is called: `the budget of the run`. `task`: the name of the task."""
    names = {"run": "of the run", "task": f"of {task}", "item": f"of each item of {task}"}
    return f"the budget {names[of]}"


def used_up(of: BudgetOf, task: str, report: BudgetReport) -> str:
    """Return whose budget is used up, and how much was spent. `report`: of one item, where it is that of each."""
    limits = report.limit.units if report.limit else {}
    gone = {unit: limit for unit, limit in limits.items() if report.spent.of(unit) >= limit}
    shown = report.model_copy(update={"limit": Budget.model_validate(gone)}) if gone else report
    return f"{whose(of, task)} is used up: {spent_of(shown)}"


def on_what(tasks: Iterable[TaskReport]) -> str:
    """Return what was spent on which task: `scan: $2.40, 24,000 tokens, 24 requests`; empty where nothing was."""
    found = [(task.name, task.budget.spent) for task in tasks if task.budget and task.budget.spent.requests]
    return "; ".join(_named(f"{name}: {spending(spent)}" for name, spent in found))


def left_to_do(tasks: Sequence[TaskReport]) -> str:
    """Return what has not been done: `76 of 100 branches of scan, report`; empty where all is."""
    running = [
        f"{task.total - task.done:,} of {task.total:,} branches of {task.name}" if task.total > 1 else task.name
        for task in tasks
        if task.status in ("running", "parked") and task.done < max(task.total, 1)
    ]
    return ", ".join(_named([*running, *(task.name for task in tasks if task.status == "waiting")]))


def summary(what: str, tasks: Sequence[TaskReport]) -> str:
    """Return what is used up, on what it was spent, and what is left to do, in a line."""
    spent, left = on_what(tasks), left_to_do(tasks)
    parts = [what, f"spent on {spent}" if spent else "", f"left to do: {left}" if left else ""]
    return ". ".join(filter(None, parts))


def _without_unit(unit: Unit, value: float) -> str:
    return f"{round(value):,}" if unit in ("tokens", "requests") else amount(unit, value)


def _named(texts: Iterable[str]) -> list[str]:
    found = list(texts)
    more = len(found) - NAMED
    return [*found[:NAMED], f"{more} more"] if more > 0 else found
