"""What models used, summed up."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from grammar.documents.models import ModelConfig
from grammar.messages.activity_results import Usage
from grammar.messages.history import BranchHistory
from grammar.messages.prices import cost, dollars


@dataclass(frozen=True)
class Bill:
    """Tokens and dollars. `unpriced`: models that have no price, so that the sum is too low."""

    branches: int = 0
    usage: Usage = field(default_factory=Usage)
    amount: float = 0.0
    unpriced: frozenset[str] = frozenset()

    def __add__(self, other: "Bill") -> "Bill":
        return Bill(
            self.branches + other.branches,
            self.usage + other.usage,
            self.amount + other.amount,
            self.unpriced | other.unpriced,
        )

    @property
    def dollars(self) -> str:
        """The sum; a dash where nothing of it is known."""
        if not self.usage.requests:
            return ""
        if self.unpriced:
            return f"over {dollars(self.amount)}" if self.amount else "–"
        return dollars(self.amount)


def bill(config: ModelConfig, branch: BranchHistory) -> Bill:
    """What one branch used."""
    amount = cost(config, branch.named, branch.model, branch.usage)
    return Bill(1, branch.usage, amount or 0.0, frozenset() if amount is not None else frozenset({branch.model}))


def total(bills: Iterable[Bill]) -> Bill:
    """All of them together."""
    return sum(bills, Bill())


def by_model(config: ModelConfig, branches: Sequence[BranchHistory]) -> list[tuple[str, Bill]]:
    """What each model used, the dearest first, then the one that was used most."""
    found = defaultdict[str, Bill](Bill)
    for one in branches:
        if one.usage.requests:
            found[_name(one)] += bill(config, one)
    return sorted(found.items(), key=lambda one: (-one[1].amount, -one[1].usage.output_tokens, one[0]))


def _name(branch: BranchHistory) -> str:
    named = branch.named
    return f"{named} ({branch.model})" if named and named != branch.model else branch.model
