"""A budget as an account: what is spent, what is handed out, what is left, and the share of one more leg."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime

from grammar.documents.budget import Budget, Unit
from grammar.messages.budgets import BudgetReport, Spent

SHARED: tuple[Unit, ...] = ("usd", "tokens", "requests")
"""The units that legs get shares of. Time passes for all of them alike."""
COUNTED: tuple[Unit, ...] = ("tokens", "requests")
_NANODOLLARS = 9

Amounts = dict[Unit, float]
"""How much of some units; of those that are missing, there is no limit."""


@dataclass
class Account:
    """Keep what a budget allows, and what of it is spent, or handed out and not given back yet.

    `limit` None: there is no limit, and what is spent is kept all the same.
    """

    limit: Budget | None = None
    spent: Spent = field(default_factory=Spent)
    _handed_out: dict[str, Amounts] = field(default_factory=dict)
    _working: int = 0
    _since: datetime | None = None

    def report(self, now: datetime) -> BudgetReport:
        """Return the budget, and what is spent by now."""
        return BudgetReport(limit=self.limit, spent=self.spent_by(now))

    def spent_by(self, now: datetime) -> Spent:
        """Return what is spent, with the time up to now."""
        seconds = (now - self._since).total_seconds() if self._since else 0.0
        return self.spent.model_copy(update={"time": round(self.spent.time + seconds, 3)})

    def left(self, now: datetime) -> Amounts:
        """Return what is left of each unit that is limited, handed out or not; nothing where more was spent."""
        if self.limit is None:
            return {}
        spent, units = self.spent_by(now), self.limit.units
        return {unit: max(0.0, round(limit - spent.of(unit), _NANODOLLARS)) for unit, limit in units.items()}

    def used_up(self, units: Iterable[Unit], now: datetime) -> Unit | None:
        """Return the first of the units of which nothing is left; None: there is some of each."""
        left = self.left(now)
        return next((unit for unit in units if left.get(unit) == 0), None)

    def share(self, at_once: int, now: datetime) -> Amounts:
        """Return what one more leg may be handed, of `at_once` that may run side by side.

        Of a unit of which others hold all that is left, it is nothing for now.
        """
        return {unit: self._share(unit, left, at_once) for unit, left in self.left(now).items() if unit in SHARED}

    def hand_out(self, holder: str, amounts: Amounts) -> None:
        """Note what the holder may spend."""
        self._handed_out[holder] = amounts

    def settle(self, holder: str, spent: Spent) -> None:
        """Take back what the holder was handed, and count what was spent of it. Less than nothing: it was less."""
        self._handed_out.pop(holder, None)
        self.spent = self.spent + spent

    def begin_work(self, now: datetime) -> None:
        """Note that one more branch is at work: from the first one on, time is counted."""
        self._since = self._since or now
        self._working += 1

    def end_work(self, now: datetime) -> None:
        """Note that a branch is not at work any more."""
        self._working -= 1
        if not self._working:
            self.spent, self._since = self.spent_by(now), None

    def _share(self, unit: Unit, left: float, at_once: int) -> float:
        free = max(0.0, round(left - sum(amounts.get(unit, 0) for amounts in self._handed_out.values()), _NANODOLLARS))
        fair = left / max(1, at_once)
        return min(float(max(1, math.floor(fair))), free) if unit in COUNTED else min(fair, free)


def least(amounts: Iterable[Amounts]) -> Amounts:
    """Return the least of each unit that any of them limits."""
    found: Amounts = {}
    for given in amounts:
        found |= {unit: min(amount, found.get(unit, amount)) for unit, amount in given.items()}
    return found
