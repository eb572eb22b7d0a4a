"""What models used, summed up."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from grammar.documents.models import ModelConfig
from grammar.messages.activity_results import Usage
from grammar.messages.asked_models import AskedModel, Cost
from grammar.messages.history import BranchHistory
from grammar.messages.reports import TaskReport
from grammar.model_access.prices import cost_of, cost_told

# What the record of a task counts; of the others, their last sign of life tells.
_COUNTED = ("done", "failed")


@dataclass(frozen=True)
class CostSummary:
    """What was used, by some branches or a model, and what it cost. `branches`: how many branches that were."""

    usage: Usage = field(default_factory=Usage)
    cost: Cost = field(default_factory=Cost)
    branches: int = 0

    def __add__(self, other: "CostSummary") -> "CostSummary":
        return CostSummary(self.usage + other.usage, self.cost + other.cost, self.branches + other.branches)

    @property
    def dollars(self) -> str:
        """Return the sum; a dash where no price is known, empty where no model was asked."""
        return (cost_told(self.cost) or "–") if self.usage.requests else ""


def branch_cost(config: ModelConfig, branch: BranchHistory) -> CostSummary:
    """Return what one branch used. `config`: has the prices."""
    return _summary(config, branch.asked, 1)


def task_usage(report: TaskReport, branches: Iterable[BranchHistory]) -> list[AskedModel]:
    """Return what a task used, by model: what its record counts, and what branches that have not ended used so far."""
    open_branches = [branch for branch in branches if branch.report.status not in _COUNTED]
    return [*report.usage_by_model, *(asked for branch in open_branches for asked in branch.asked)]


def task_cost(config: ModelConfig, report: TaskReport, branches: Sequence[BranchHistory]) -> CostSummary:
    """Return the same as one sum, on prices."""
    return _summary(config, task_usage(report, branches), len(branches))


def total_cost(costs: Iterable[CostSummary]) -> CostSummary:
    """Return all of them together."""
    return sum(costs, CostSummary())


def costs_by_model(
    config: ModelConfig, used: Iterable[AskedModel], branches: Iterable[BranchHistory]
) -> list[tuple[str, CostSummary]]:
    """Return each model's name and what it was used for, the dearest first, then the one that wrote most."""
    counted = Counter(_shown(asked) for branch in branches for asked in branch.asked if asked.usage.requests)
    costs: dict[str, CostSummary] = {}
    for entry in used:
        if not entry.usage.requests:
            continue
        name = _shown(entry)
        costs[name] = costs.get(name, CostSummary(branches=counted[name])) + _summary(config, [entry], 0)
    return sorted(costs.items(), key=lambda item: (-item[1].cost.usd, -item[1].usage.output_tokens, item[0]))


def _summary(config: ModelConfig, used: Sequence[AskedModel], branches: int) -> CostSummary:
    return CostSummary(sum((entry.usage for entry in used), Usage()), cost_of(config, used), branches)


def _shown(used: AskedModel) -> str:
    named = used.named
    return f"{named} ({used.model})" if named and named != used.model else used.model or "not known"
