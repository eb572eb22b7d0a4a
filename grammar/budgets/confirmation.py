"""Whether a fan-out asks a person first: it has very many items, or will cost very much."""

from collections.abc import Collection

from grammar.documents.budget import ConfirmOver
from grammar.messages.budgets import ConfirmedBy, Spent
from grammar.model_access.prices import dollars

ESTIMATED_FROM = 3
"""So many branches must have ended before their cost says what the others will cost."""


def estimated_cost(spent: Spent, ended: int, total: int) -> float | None:
    """Return what all branches of a task will cost, in US dollars, by what those that ended did; None: too early.

    This alone decides for `confirm_over: {usd}`.
    """
    return spent.usd / ended * total if ended >= ESTIMATED_FROM else None


def question(
    rule: ConfirmOver, items: int, estimate: float | None, confirmed: Collection[ConfirmedBy]
) -> tuple[ConfirmedBy, str] | None:
    """Return by what a person is asked, and about what; None: the fan-out may go on.

    `estimate`: of its cost, in US dollars. `confirmed`: what was said yes to already.
    """
    if rule.items is not None and items > rule.items and "items" not in confirmed:
        return "items", f"{items:,} items, and confirm_over is {rule.items:,}"
    if rule.usd is not None and estimate is not None and estimate > rule.usd and "usd" not in confirmed:
        return (
            "usd",
            f"about {dollars(estimate)} in all, by what it cost so far, and confirm_over is {dollars(rule.usd)}",
        )
    return None
