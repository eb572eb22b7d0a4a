"""Prices of models that the file says nothing of, as `genai-prices` lists them: estimates, put into the bundle.

They are looked up once, by the starter, so that a run, whoever serves it, goes by the same prices from its start to its
end. Nothing is fetched: the list is the one that is installed.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import TYPE_CHECKING

from grammar.documents.models import Price
from grammar.errors import UserError
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.run_bundle import Bundle
from grammar.model_access import endpoint, messages_settings
from grammar.model_access.model_choice import asked_models
from grammar.model_access.prices import price_of

if TYPE_CHECKING:
    from genai_prices.types import PriceCalculation

_TOKENS = 1_000_000


def with_estimates(bundle: Bundle, environ: Mapping[str, str], now: datetime) -> Bundle:
    """Return the bundle with an estimated price for each model that it asks and that has none, where one is listed.

    `environ`: the starter's, which says where models are asked that name no endpoint.
    """
    estimates: dict[str, Price] = {}
    for name, spec, url in _unpriced(bundle, environ):
        hour = messages_settings.is_cached_for_an_hour(spec)
        model = endpoint.model_name(spec, environ)
        if name not in estimates and (price := listed_price(model, url, now, hour)):
            estimates[name] = price
    if not estimates:
        return bundle
    prices = {**estimates, **bundle.config.prices}
    return bundle.model_copy(update={"config": bundle.config.model_copy(update={"prices": prices})})


def listed_price(model: str, url: str, now: datetime, cached_for_an_hour: bool = False) -> Price | None:
    """Return the price of a provider's model at that time; None where the list does not know both.

    `url`: the base URL of the endpoint, which says which provider it is. `cached_for_an_hour`: what is written to its
    cache stays there so long, which some bill for. Where prices rise with the length of a prompt, it is the lowest.
    """
    from genai_prices import Usage, calc_price  # slow to load

    def billed(**tokens: float) -> "PriceCalculation":
        return calc_price(Usage(**tokens), model, provider_api_url=url, genai_request_timestamp=now)

    try:
        read = billed(input_tokens=1)
    except LookupError:
        return None
    if read.model_price.input_mtok is None or read.model_price.output_mtok is None:
        return None  # the model is listed, without what its tokens cost
    hour = {"cache_write_1h_tokens": 1} if cached_for_an_hour else {}
    return Price(
        input=float(read.input_price * _TOKENS),
        cached=float(billed(input_tokens=1, cache_read_tokens=1).input_price * _TOKENS),
        cache_write=float(billed(input_tokens=1, cache_write_tokens=1, **hour).input_price * _TOKENS),
        output=float(billed(output_tokens=1).output_price * _TOKENS),
        reasoning=float(billed(output_tokens=1, output_reasoning_tokens=1).output_price * _TOKENS),
        estimated=True,
    )


def _unpriced(bundle: Bundle, environ: Mapping[str, str]) -> Iterator[tuple[str, ModelSpec, str]]:
    """Yield the name to price, the model and the URL of its endpoint, of each model without a price."""
    for logical, spec in asked_models(bundle):
        model = endpoint.model_name(spec, environ)
        try:
            url = endpoint.choose(spec, environ).url
        except UserError:  # the run says so
            continue
        if url and price_of(bundle.config, logical, model) is None:
            yield logical or model, spec, url
