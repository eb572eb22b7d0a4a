"""What an agent run has spent, and whether its allowance is used up."""

from grammar.budgets.account import Amounts
from grammar.documents.models import ModelConfig
from grammar.messages.activity_results import Usage
from grammar.messages.budgets import Allowance, Spent
from grammar.model_access.prices import cost, is_embedded


def spent(config: ModelConfig, logical: str | None, provider: str, usage: Usage) -> Spent:
    """Return what the usage of a model comes to. The embedded model costs nothing, nor does one without a price.

    `logical`, `provider`: the names of the model, as for `cost`.
    """
    dollars = 0.0 if is_embedded(provider) else cost(config, logical, provider, usage) or 0.0
    return Spent(usd=dollars, tokens=usage.tokens, requests=usage.requests) + Spent()


def allowance(
    amounts: Amounts, seconds: float | None, since: Usage, task: Usage, config: ModelConfig, logical: str | None
) -> Allowance:
    """Return what a leg may spend.

    `seconds`: until its time is used up. `since`: what the agent run has used. `task`: what the branches of its task
    that are done have. `logical`: the name of its model.
    """
    usd, tokens, requests = (amounts.get(unit) for unit in ("usd", "tokens", "requests"))
    return Allowance(
        usd=usd,
        tokens=None if tokens is None else int(tokens),
        requests=None if requests is None else int(requests),
        time=seconds,
        since=since,
        typical=_mean(task),
        prices=config.prices if usd is not None else {},
        model=logical,
    )


def is_unpriced(given: Allowance, provider: str) -> bool:
    """Return whether dollars are limited, and what the model costs is not known."""
    asked = Usage(requests=1)
    config = ModelConfig(prices=given.prices)
    is_free = given.usd is None or is_embedded(provider)
    return not is_free and cost(config, given.model, provider, asked) is None


def is_used_up(given: Allowance, provider: str, used: Usage, seconds: float) -> bool:
    """Return whether no request may follow.

    `used`: by the whole agent run so far. `seconds`: since the activity was scheduled.
    """
    config = ModelConfig(prices=given.prices)
    total = spent(config, given.model, provider, used)
    now = total - spent(config, given.model, provider, given.since)
    limits = ((given.usd, now.usd), (given.tokens, now.tokens), (given.requests, now.requests), (given.time, seconds))
    return any(limit is not None and amount >= limit for limit, amount in limits)


def _mean(usage: Usage) -> Usage:
    """What one request used, on the average; nothing where there was none."""
    return Usage(**{name: count // (usage.requests or 1) for name, count in usage.model_dump().items()})
