"""What models used, summed up."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

from grammar.documents.models import ModelConfig
from grammar.messages.activity_results import Usage
from grammar.messages.history import BranchHistory
from grammar.messages.reports import AskedModel
from grammar.model_access.prices import cost, dollars


@dataclass(frozen=True)
class CostSummary:
    """What some branches used and cost. `amount`: in USD. `unpriced`: models without a price: the sum is too low."""

    branches: int = 0
    usage: Usage = field(default_factory=Usage)
    amount: float = 0.0
    unpriced: frozenset[str] = frozenset()

    def __add__(self, other: "CostSummary") -> "CostSummary":
        return CostSummary(
            self.branches + other.branches,
            self.usage + other.usage,
            self.amount + other.amount,
            self.unpriced | other.unpriced,
        )

    @property
    def dollars(self) -> str:
        """Return the sum; a dash where no price is known, empty where no model was asked."""
        if not self.usage.requests:
            return ""
        if self.unpriced:
            return f"over {dollars(self.amount)}" if self.amount else "–"
        return dollars(self.amount)


def branch_cost(config: ModelConfig, branch: BranchHistory) -> CostSummary:
    """Return what one branch used. `config`: has the prices."""
    return replace(total_cost(_cost_of(config, asked) for asked in branch.asked), branches=1)


def total_cost(costs: Iterable[CostSummary]) -> CostSummary:
    """Return all of them together."""
    return sum(costs, CostSummary())


def costs_by_model(config: ModelConfig, branches: Sequence[BranchHistory]) -> list[tuple[str, CostSummary]]:
    """Return each model's name and what it used, the dearest first, then the one that was used most."""
    costs = defaultdict[str, CostSummary](CostSummary)
    for asked in chain.from_iterable(branch.asked for branch in branches):
        if asked.usage.requests:
            costs[_name(asked)] += _cost_of(config, asked)
    return sorted(costs.items(), key=lambda item: (-item[1].amount, -item[1].usage.output_tokens, item[0]))


def _cost_of(config: ModelConfig, asked: AskedModel) -> CostSummary:
    amount = cost(config, asked.named or None, asked.model, asked.usage)
    unpriced = frozenset[str]() if amount is not None else frozenset({asked.model})
    return CostSummary(1, asked.usage, amount or 0.0, unpriced)


def _name(asked: AskedModel) -> str:
    named = asked.named
    return f"{named} ({asked.model})" if named and named != asked.model else asked.model
