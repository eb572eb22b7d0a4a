"""What may stop a task before its end: its budget, branches that fail one after the other, its size (section 11)."""

from grammar.budgets import brakes
from grammar.budgets.account import Account
from grammar.documents.models import Task
from grammar.messages.budgets import BudgetOf, ConfirmedBy
from grammar.messages.continue_as_new import CarriedTask, FailureStreak
from grammar.messages.reports import BUDGET_REACHED, Failure


class TaskLimits:
    """Hold what a task has spent, how its branches failed last, and what a person confirmed.

    `account`: its budget. `item_budget`: that of each branch. `reached`: whose budget was used up, so that no further
    branch starts; None: there is some left.
    """

    def __init__(self, task: Task) -> None:
        self.account = Account(task.budget)
        self.item_budget = task.item_budget
        self.reached: BudgetOf | None = None
        self.streak = FailureStreak()
        self.confirmed: set[ConfirmedBy] = set()

    def take_over(self, carried: CarriedTask) -> None:
        """Go on from what the history before knew. Runs of older versions carry nothing of it."""
        self.account = Account(carried.budget.limit or self.account.limit, carried.budget.spent)
        self.item_budget = carried.item_budget or self.item_budget
        self.reached, self.streak, self.confirmed = carried.reached, carried.streak, set(carried.confirmed)

    def note_success(self) -> None:
        """Record that a branch gave its result."""
        self.streak = FailureStreak()

    def note_failure(self, failure: Failure) -> None:
        """Record that a branch failed. That it may spend no more tells nothing of the others."""
        if failure.type != BUDGET_REACHED:
            self.streak = brakes.longer(self.streak, failure)

    def reopen(self) -> None:
        """Record that a person has the task go on: failures of before stop it no more."""
        self.reached, self.streak = None, FailureStreak()
