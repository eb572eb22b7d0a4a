"""What a model's answers cost, as the prices in a bundle's model config say (specification section 1). Pure.

Every view asks here: reports, status, manifest, the live view, JSON.
"""

from collections.abc import Iterable

from grammar.documents.models import ModelConfig, Price
from grammar.messages.activity_results import Usage
from grammar.messages.asked_models import AskedModel, Cost
from grammar.messages.reports import BranchReport, RunReport, TaskReport

_TOKENS = 1_000_000
# What providers that bill for writes to their cache take for them, of the price of input: Anthropic, OpenAI, Bedrock.
CACHE_WRITE = 1.25

EMBEDDED = " (embedded)"
"""What the name of the embedded model ends with: it has no price."""


def is_embedded(provider: str) -> bool:
    """Return whether a model, by its name for the record, is the embedded one."""
    return provider.endswith(EMBEDDED)


def price_of(config: ModelConfig, logical: str | None, provider: str) -> Price | None:
    """Return the price of a model; None where none is known, and of the embedded model, whatever the file names.

    `logical`: its name in the model config; None or empty: the task names none. `provider`: the provider's id. The
    price of the logical name counts, then that of the provider's id; a price that is stated, before an estimate.
    """
    if is_embedded(provider):
        return None
    found = [price for name in (logical, provider) if name and (price := config.prices.get(name))]
    return min(found, key=lambda price: price.estimated, default=None)


def cost(config: ModelConfig, logical: str | None, provider: str, usage: Usage) -> float | None:
    """Return the cost in US dollars; None where the model, which `price_of` explains, has no price."""
    if not usage.requests:
        return 0.0
    price = price_of(config, logical, provider)
    return None if price is None else _dollars(price, usage)


def cost_of(config: ModelConfig, used: Iterable[AskedModel]) -> Cost:
    """Return what models cost together."""
    return sum((_cost(config, entry) for entry in used), Cost())


def by_model(used: Iterable[AskedModel]) -> list[AskedModel]:
    """Return an entry for each model, of entries that may be of the same one."""
    found: dict[tuple[str, str], AskedModel] = {}
    for entry in used:
        known = found.get((entry.named, entry.model), AskedModel(named=entry.named, model=entry.model))
        together = {"usage": known.usage + entry.usage, "cost": known.cost + entry.cost}
        found[entry.named, entry.model] = known.model_copy(update=together)
    return list(found.values())


def priced_report(config: ModelConfig, report: RunReport) -> RunReport:
    """Return the report with what everything cost, by these prices."""
    tasks = [_priced_task(config, task) for task in report.tasks]
    used = by_model(entry for task in tasks for entry in task.usage_by_model)
    costs = sum((task.cost for task in tasks), Cost())
    return report.model_copy(update={"tasks": tasks, "usage_by_model": used, "cost": costs})


def priced_branch(config: ModelConfig, logical: str, branch: BranchReport) -> BranchReport:
    """Return a line of the manifest with what it cost. `logical`: the name of its first model in the file, or empty."""
    alone = AskedModel(named=logical, model=branch.model, usage=branch.usage)
    asked = [_priced(config, entry) for entry in branch.asked]
    return branch.model_copy(update={"asked": asked, "cost": cost_of(config, asked or [alone])})


def dollars(amount: float) -> str:
    """Return the amount as people read it: `$1.20`, `$0.0031`."""
    return f"${amount:,.2f}" if amount >= 0.1 or amount == 0 else f"${amount:.2g}" if amount >= 1e-4 else "<$0.0001"


def cost_told(known: Cost) -> str:
    """Return a cost as people read it: `$1.20`, `over $1.20 estimated`; empty where no price is known."""
    if known.unpriced and not known.usd:
        return ""
    return ("over " if known.unpriced else "") + dollars(known.usd) + (" estimated" if known.estimated else "")


def tokens_told(usage: Usage) -> str:
    """Return tokens as people read them: `1,000 tokens in (900 cached), 200 out (50 reasoning)`."""
    cached = [f"{usage.cached_tokens:,} cached"] if usage.cached_tokens else []
    written = [f"{usage.cache_write_tokens:,} to the cache"] if usage.cache_write_tokens else []
    special = f" ({', '.join([*cached, *written])})" if cached or written else ""
    reasoning = f" ({usage.reasoning_tokens:,} reasoning)" if usage.reasoning_tokens else ""
    return f"{usage.input_tokens:,} tokens in{special}, {usage.output_tokens:,} out{reasoning}"


def _priced_task(config: ModelConfig, task: TaskReport) -> TaskReport:
    used = [_priced(config, entry) for entry in task.usage_by_model]
    return task.model_copy(update={"usage_by_model": used, "cost": sum((entry.cost for entry in used), Cost())})


def _priced(config: ModelConfig, used: AskedModel) -> AskedModel:
    return used.model_copy(update={"cost": _cost(config, used)})


def _cost(config: ModelConfig, used: AskedModel) -> Cost:
    amount = cost(config, used.named, used.model, used.usage)
    if amount is None:
        return Cost(unpriced=[used.model or used.named])
    price = price_of(config, used.named, used.model)
    return Cost(usd=amount, estimated=bool(price and price.estimated and used.usage.requests))


def _dollars(price: Price, usage: Usage) -> float:
    """Each token at one price: what is part of another count is taken off it."""
    cached = price.input if price.cached is None else price.cached
    cache_write = price.input * CACHE_WRITE if price.cache_write is None else price.cache_write
    reasoning = price.output if price.reasoning is None else price.reasoning
    whole = (
        (usage.input_tokens - usage.cached_tokens - usage.cache_write_tokens) * price.input
        + usage.cached_tokens * cached
        + usage.cache_write_tokens * cache_write
        + (usage.output_tokens - usage.reasoning_tokens) * price.output
        + usage.reasoning_tokens * reasoning
    )
    return round(whole / _TOKENS, 12)
