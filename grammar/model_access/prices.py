"""What a model's answers cost, as the prices in a model config say (specification section 1)."""

from grammar.documents.models import ModelConfig
from grammar.messages.activity_results import Usage

_TOKENS = 1_000_000


EMBEDDED = " (embedded)"
"""What the name of the embedded model ends with: it has no price."""


def is_embedded(provider: str) -> bool:
    """Return whether a model, by its name for the record, is the embedded one."""
    return provider.endswith(EMBEDDED)


def dollars(amount: float | None) -> str:
    """Return the amount as people read it: `$1.20`, `$0.0031`; a dash for None, where there is no price."""
    if amount is None:
        return "–"
    return f"${amount:,.2f}" if amount >= 0.1 or amount == 0 else f"${amount:.2g}" if amount >= 1e-4 else "<$0.0001"


def cost(config: ModelConfig, logical: str | None, provider: str, usage: Usage) -> float | None:
    """Return the cost in US dollars; None where neither name of the model has a price.

    `logical`: its name in the model config; None: the task names none. `provider`: the provider's id.
    """
    if not usage.requests:
        return 0.0
    if is_embedded(provider):  # whatever the file names
        return None
    price = config.prices.get(logical or provider) or config.prices.get(provider)
    if price is None:
        return None
    return (usage.input_tokens * price.input + usage.output_tokens * price.output) / _TOKENS
