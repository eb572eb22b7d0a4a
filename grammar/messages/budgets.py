"""Budgets on their way: what was spent, what a leg may spend, what a person adds (specification section 11)."""

from typing import Literal

from pydantic import BaseModel

from grammar.documents.budget import Budget, Unit
from grammar.documents.models import Price
from grammar.messages.activity_results import Usage

BudgetOf = Literal["run", "task", "item"]
"""Whose budget it is: that of the run, of a task, or of each branch of a task."""


ConfirmedBy = Literal["items", "usd"]
"""Which limit of `confirm_over` a person said yes to going over."""


class Spent(BaseModel):
    """What was spent, in the units of a budget."""

    usd: float = 0.0
    """US dollars, as far as prices are known."""
    tokens: int = 0
    """Tokens, read and written."""
    requests: int = 0
    """Answers of models."""
    time: float = 0.0
    """Seconds in which any branch was at work."""

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(
            usd=round(self.usd + other.usd, 9),
            tokens=self.tokens + other.tokens,
            requests=self.requests + other.requests,
            time=self.time + other.time,
        )

    def __sub__(self, other: "Spent") -> "Spent":
        return self + Spent(usd=-other.usd, tokens=-other.tokens, requests=-other.requests, time=-other.time)

    def of(self, unit: Unit) -> float:
        """Return how much of that unit it is."""
        return float(getattr(self, unit))


class BudgetReport(BaseModel):
    """A budget, and what of it was spent."""

    limit: Budget | None = None
    """What may be spent, with what was added to it; None: as much as there is need for."""
    spent: Spent = Spent()
    """What was spent, by legs that have ended."""


class Allowance(BaseModel):
    """What one leg of an agent run may spend. Once any of it is used up, the leg asks no model anymore."""

    usd: float | None = None
    """US dollars; None: without limit, as in the others."""
    tokens: int | None = None
    """Tokens, read and written."""
    requests: int | None = None
    """Answers of the model."""
    time: float | None = None
    """Seconds since the activity was scheduled."""
    since: Usage = Usage()
    """What the agent run had used when this was given, as far as the workflow knew."""
    typical: Usage = Usage()
    """What one request of the task has used, on the average: an estimate of what was lost on its way."""
    prices: dict[str, Price] = {}
    """What the model costs, by its names; empty where `usd` is None."""
    model: str | None = None
    """The model's logical name, if it has one."""


class BudgetRaise(Budget):
    """What a person adds to a budget."""

    of: BudgetOf | None = None
    """Whose budget it is; None: the one that the run is parked at, else that of the run."""
    task: str | None = None
    """The name of the task, for `task` and `item`; None: the one that is current."""
