"""The prices that a flow needs: a limit in dollars holds only for models whose price is known."""

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, replace

from grammar.documents.models import ModelConfig, Task
from grammar.errors import UserError
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.activity_results import Usage
from grammar.model_access import endpoint, model_choice
from grammar.model_access.prices import cost
from grammar.problems import Problem


@dataclass(frozen=True)
class NeededPrice:
    """A model whose price a limit in dollars needs."""

    spec: ModelSpec
    """The model, as it is asked."""
    logical: str | None
    """Its name in the flow; None: it names none."""
    where: Problem
    """The limit, as a problem for the case that there is no price."""


def needed_prices(task: Task, config: ModelConfig, where: Problem) -> list[NeededPrice]:
    """Return the prices that a limit in dollars needs of the models that a task may ask. `where`: the limit."""
    found = []
    for index in range(len(task.choices) if task.run is None else 0):
        names = model_choice.names(task, config, index)
        asked = zip(model_choice.chain(task, config, index), names, strict=True)
        found += [NeededPrice(spec, name, where) for spec, name in asked]
    return found


def missing_prices(needs: Iterable[NeededPrice], unpriced: Collection[str]) -> list[Problem]:
    """Return a problem for each limit in dollars that cannot be kept. `unpriced`: as `without_price` names them."""
    found = {}
    for need in needs:
        name = need.logical or need.spec.name or endpoint.DEFAULT_MODEL
        if name in unpriced and (need.where, name) not in found:
            message = (
                f"what {name} costs is not known: write it under `prices` in the model config, as "
                f"`{name}: {{input: 2.00, output: 8.00}}` (US dollars per million tokens), or limit `tokens`"
            )
            found[need.where, name] = replace(need.where, message=message)
    return list(found.values())


def without_price(needs: Iterable[NeededPrice], config: ModelConfig, environ: Mapping[str, str]) -> set[str]:
    """Return the models whose price is not known, by the names that the flow has for them.

    The embedded model, which answers where no endpoint is configured, costs nothing.
    """
    return {
        need.logical or need.spec.name or endpoint.DEFAULT_MODEL
        for need in needs
        if not _is_embedded(need.spec, environ)
        and cost(config, need.logical, endpoint.model_name(need.spec, environ), Usage(requests=1)) is None
    }


def _is_embedded(spec: ModelSpec, environ: Mapping[str, str]) -> bool:
    try:
        return endpoint.choose(spec, environ).url is None
    except UserError:  # an endpoint that is no URL: told where the model is asked
        return False
