"""The budgets of a run: what people are told of them, and what a person adds to them (specification section 11)."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime

from grammar.budgets import told
from grammar.budgets.account import Account
from grammar.documents.budget import Budget, Unit
from grammar.messages.budgets import BudgetOf, BudgetRaise, BudgetReport
from grammar.messages.reports import BUDGET_REACHED
from grammar.messages.run_bundle import Bundle
from workflows.records.parking import Parking
from workflows.records.task_record import TaskRecord

OF_AGENTS: tuple[Unit, ...] = ("usd", "tokens", "requests", "time")
OF_SCRIPTS: tuple[Unit, ...] = ("time",)
"""Scripts ask no model: nothing else holds them up."""


class Budgets:
    """Hold the budget of a run, beside those that its tasks hold. `run`: its account. `parking`: that of the run."""

    def __init__(
        self, bundle: Bundle, tasks: Sequence[TaskRecord], parking: Parking, now: Callable[[], datetime]
    ) -> None:
        self.run = Account(bundle.budget)
        self._are_there = bundle.has_budget
        self._tasks = tasks
        self._parking = parking
        self._now = now

    def take_over(self, carried: BudgetReport | None) -> None:
        """Go on from what the history before knew; None: nothing."""
        if carried:
            self.run = Account(carried.limit or self.run.limit, carried.spent)

    @property
    def carried(self) -> BudgetReport:
        """Return what a new history needs of the run's own budget."""
        return BudgetReport(limit=self.run.limit, spent=self.run.spent)

    def report(self, account: Account) -> BudgetReport | None:
        """Return one of the run's accounts, as people are told; None where nothing in the run has a budget."""
        return account.report(self._now()) if self._are_there else None

    def is_used_up(self, account: Account, task: TaskRecord) -> bool:
        """Return whether nothing is left of what the task needs to go on."""
        units = OF_AGENTS if task.task.run is None else OF_SCRIPTS
        return account.used_up(units, self._now()) is not None

    def can_go_on(self, task: TaskRecord) -> bool:
        """Return whether a task that has used up a budget may spend again: a person has added to it."""
        of = task.limits.reached or "item"
        return any(not self.is_used_up(account, task) for account in self._held_up(of, task))

    def add(self, more: BudgetRaise) -> str:
        """Add to the budget that is meant, and return what it is now, for people. Raises ValueError, as `check`."""
        self.check(more)
        of, task = self._meant(more)
        limit = self._raised(of, task, more)
        for account in self._accounts(of, task):
            account.limit = limit
        if of == "item":
            task.limits.item_budget = limit
        return f"{told.whose(of, task.name)}: {told.limit_of(limit)}"

    def check(self, more: BudgetRaise) -> None:
        """Raise ValueError, with the reason, where there is no such budget, or the run would stay parked at it."""
        of, task = self._meant(more)
        limit = self._raised(of, task, more)
        held_up = [replace(account, limit=limit) for account in self._held_up(of, task)]
        if self._is_at(of, task) and all(self.is_used_up(account, task) for account in held_up):
            raise ValueError(f"{told.whose(of, task.name)} would be used up still: {told.limit_of(limit)}")

    def _raised(self, of: BudgetOf, task: TaskRecord, more: BudgetRaise) -> Budget:
        """Raises ValueError where there is nothing to add to."""
        limits = {"run": self.run.limit, "task": task.limits.account.limit, "item": task.limits.item_budget}
        limit, whose = limits[of], told.whose(of, task.name)
        if limit is None:
            raise ValueError(f"there is no such budget: {whose}")
        if unlimited := [unit for unit in more.units if unit not in limit.units]:
            raise ValueError(f"{whose} does not limit {', '.join(unlimited)}, but {', '.join(limit.units)}")
        return limit.plus(more)

    def _meant(self, more: BudgetRaise) -> tuple[BudgetOf, TaskRecord]:
        """Whose budget is meant. Raises ValueError for a task that is not there."""
        begun = [task for task in self._tasks if task.status in ("running", "parked")]
        named = [task for task in self._tasks if more.task in (None, task.name)]
        if not named:
            raise ValueError(f"there is no task {more.task!r}")
        task = next((task for task in begun if task in named), named[0])
        of = more.of or (task.limits.reached or "item" if self._is_parked_at_budget(task) else "run")
        return of, task

    def _is_parked_at_budget(self, task: TaskRecord) -> bool:
        parked = self._parking.current
        return task.status == "parked" and parked is not None and parked.is_at_budget

    def _is_at(self, of: BudgetOf, task: TaskRecord) -> bool:
        return self._is_parked_at_budget(task) and of == (task.limits.reached or "item")

    def _accounts(self, of: BudgetOf, task: TaskRecord) -> list[Account]:
        if of == "item":
            return [branch.account for branch in task.branches.values()]
        return [self.run if of == "run" else task.limits.account]

    def _held_up(self, of: BudgetOf, task: TaskRecord) -> list[Account]:
        """The accounts whose being used up holds the task up."""
        if of != "item":
            return self._accounts(of, task)
        failed = [branch for branch in task.branches.values() if branch.failure]
        return [branch.account for branch in failed if branch.failure and branch.failure.type == BUDGET_REACHED]
