"""What models cost: by the prices of the file, and by those of the list for what the file says nothing of."""

from datetime import UTC, datetime

import pytest
from genai_prices import Usage as ListedUsage
from genai_prices import calc_price
from pydantic import JsonValue

from grammar.documents.models import ModelConfig, Price, Task
from grammar.documents.rules import DryRunScript
from grammar.messages.activity_results import Usage
from grammar.messages.asked_models import AskedModel, Cost
from grammar.messages.reports import RunReport, TaskReport
from grammar.messages.run_bundle import Bundle
from grammar.model_access import price_list
from grammar.model_access.price_list import listed_price, with_estimates
from grammar.model_access.prices import cost, cost_of, cost_told, price_of, priced_report, tokens_told

NOW = datetime(2026, 11, 27, tzinfo=UTC)
USED = Usage(
    requests=1,
    input_tokens=1_000,
    cached_tokens=900,
    cache_write_tokens=50,
    output_tokens=200,
    reasoning_tokens=150,
)
OPENAI = {"AI_API_ENDPOINT": "https://api.openai.com/v1"}


@pytest.mark.parametrize(
    ("price", "dollars"),
    [
        # 50 * 2 + 900 * 0.5 + 50 * 2.5 + 50 * 8 + 150 * 16, per million
        (Price(input=2, cached=0.5, cache_write=2.5, output=8, reasoning=16), 0.003475),
        # 50 * 2 + 900 * 2 + 50 * 2.5 + 200 * 8, per million: nothing else is known
        (Price(input=2, output=8), 0.003625),
        # 50 * 2 + 0 + 0 + 200 * 8, per million: what costs nothing is not what is not said
        (Price(input=2, output=8, cached=0, cache_write=0), 0.0017),
    ],
)
def test_each_token_has_one_price(price: Price, dollars: float) -> None:
    assert cost(ModelConfig(prices={"m": price}), None, "m", USED) == dollars


def test_a_price_that_is_stated_counts_before_an_estimate() -> None:
    guess, stated = Price(input=1, output=1, estimated=True), Price(input=9, output=9)
    assert price_of(ModelConfig(prices={"fast": guess, "gpt-x": stated}), "fast", "gpt-x") == stated
    assert price_of(ModelConfig(prices={"fast": guess}), "fast", "gpt-x") == guess
    assert price_of(ModelConfig(prices={"fast": stated}), "fast", "SmolLM2-135M (embedded)") is None


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("gpt-4.1", "https://api.openai.com/v1"),
        ("claude-sonnet-4-5", "https://api.anthropic.com"),
        ("gpt-4o", "https://here.openai.azure.com/openai/deployments/gpt-4o?api-version=1"),
        ("anthropic/claude-sonnet-4.5", "https://openrouter.ai/api/v1"),
        ("gemini-2.5-pro", "https://generativelanguage.googleapis.com/v1beta/openai/"),
    ],
)
def test_the_list_bills_the_same(model: str, url: str) -> None:
    """By its own calculation, for the same tokens: whatever its prices are in the version that is installed."""
    price = listed_price(model, url, NOW)
    assert price
    assert price.estimated
    listed = ListedUsage(input_tokens=1_000, cache_read_tokens=900, cache_write_tokens=50, output_tokens=200)
    expected = calc_price(listed, model, provider_api_url=url, genai_request_timestamp=NOW).total_price
    assert cost(ModelConfig(prices={model: price}), None, model, USED) == pytest.approx(float(expected))


def test_what_is_cached_for_an_hour_costs_more() -> None:
    settings: dict[str, JsonValue] = {"api_type": "messages", "prompt_caching": "1h"}
    config = ModelConfig(models={"short": "claude-sonnet-4-5", "long": "claude-sonnet-4-5"},
                         model_settings={"short": {"api_type": "messages"}, "long": settings})  # fmt: skip
    tasks = [Task(agents=("who",), user_prompt="x", model=name) for name in config.models]
    environ = {"ANTHROPIC_API_KEY": "a key"}
    prices = with_estimates(flow(config, *tasks), environ, NOW).config.prices
    listed = ListedUsage(input_tokens=1_000, cache_write_tokens=1_000, cache_write_1h_tokens=1_000)
    url = "https://api.anthropic.com"
    expected = calc_price(listed, "claude-sonnet-4-5", provider_api_url=url, genai_request_timestamp=NOW)
    written = Usage(requests=1, input_tokens=1_000, cache_write_tokens=1_000)
    costs = [cost(ModelConfig(prices=prices), name, "claude-sonnet-4-5", written) for name in ("short", "long")]
    assert costs[1] == pytest.approx(float(expected.total_price))
    assert costs[0] is not None
    assert costs[1] is not None
    assert costs[0] < costs[1]


@pytest.mark.parametrize(
    ("model", "url"),
    [
        ("gpt-4.1", "http://localhost:8000/v1"),
        ("gpt-4.1", "https://models.example.com/v1"),
        ("a-model-of-our-own", "https://api.openai.com/v1"),
        ("gpt-4.1", "https://api.githubcopilot.com"),  # listed, without a price by tokens
    ],
)
def test_what_the_list_does_not_know_has_no_price(model: str, url: str) -> None:
    assert listed_price(model, url, NOW) is None


def flow(config: ModelConfig, *tasks: Task) -> Bundle:
    return Bundle(name="flow", source="flow.yaml", tasks=list(tasks), config=config)


def test_the_starter_puts_a_price_to_each_model_that_has_none() -> None:
    config = ModelConfig(
        models={"fast": "gpt-4.1-mini", "house": "gpt-4.1", "priced": "gpt-4.1"},
        model_settings={"house": {"endpoint": "https://models.example.com/v1"}},
        prices={"priced": Price(input=1, output=2)},
    )
    names = ("fast", "house", "priced", "gpt-4.1", None)
    tasks = [*(Task(agents=("who",), user_prompt="x", model=name) for name in names), Task(run="true", model="o3")]
    prices = with_estimates(flow(config, *tasks), OPENAI, NOW).config.prices
    assert {name: price.estimated for name, price in prices.items()} == {"fast": True, "gpt-4.1": True, "priced": False}
    assert prices["fast"] == listed_price("gpt-4.1-mini", OPENAI["AI_API_ENDPOINT"], NOW)


def test_the_list_is_not_looked_at_without_need(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(price_list, "listed_price", lambda *_: pytest.fail("looked at"))
    asks = Task(agents=("who",), user_prompt="x", model="m")
    priced = flow(ModelConfig(prices={"m": Price(input=1, output=2)}), asks)
    assert with_estimates(priced, OPENAI, NOW) is priced
    unpriced = flow(ModelConfig(), asks)
    assert with_estimates(unpriced, {}, NOW) is unpriced  # the embedded model answers
    rehearsed = unpriced.model_copy(update={"script": DryRunScript()})
    assert with_estimates(rehearsed, OPENAI, NOW) is rehearsed
    nowhere = flow(ModelConfig(), asks.model_copy(update={"model_settings": {"endpoint": "http://[wrong"}}))
    assert with_estimates(nowhere, OPENAI, NOW) is nowhere  # the run says so


def test_a_report_is_put_on_prices() -> None:
    config = ModelConfig(prices={"fast": Price(input=1, output=1), "b": Price(input=10, output=10, estimated=True)})
    million = Usage(requests=1, input_tokens=1_000_000)
    fast, other = AskedModel(named="fast", model="a", usage=million), AskedModel(named="b", model="b", usage=million)
    tasks = [
        TaskReport(name="one", usage_by_model=[fast, other]),
        TaskReport(name="two", usage_by_model=[fast, AskedModel(named="c", model="c", usage=million)]),
        TaskReport(name="a script"),
    ]
    report = priced_report(config, RunReport(name="x", bundle="", tasks=tasks))
    costs = [Cost(usd=11, estimated=True), Cost(usd=1, unpriced=["c"]), Cost()]
    assert [task.cost for task in report.tasks] == costs
    assert report.cost == Cost(usd=12, estimated=True, unpriced=["c"])
    used = [(entry.named, entry.usage.input_tokens, entry.cost.usd) for entry in report.usage_by_model]
    assert used == [("fast", 2_000_000, 2), ("b", 1_000_000, 10), ("c", 1_000_000, 0)]


def test_what_was_not_used_is_no_estimate_and_lacks_no_price() -> None:
    config = ModelConfig(prices={"a": Price(input=1, output=1, estimated=True)})
    assert cost_of(config, [AskedModel(model="a"), AskedModel(model="b")]) == Cost()


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (Cost(), "$0.00"),
        (Cost(usd=1.2), "$1.20"),
        (Cost(usd=1.2, estimated=True), "$1.20 estimated"),
        (Cost(usd=0.0031, estimated=True, unpriced=["x"]), "over $0.0031 estimated"),
        (Cost(unpriced=["x"]), ""),
    ],
)
def test_a_cost_in_words(known: Cost, words: str) -> None:
    assert cost_told(known) == words


def test_tokens_in_words() -> None:
    assert tokens_told(USED) == "1,000 tokens in (900 cached, 50 to the cache), 200 out (150 reasoning)"
    assert tokens_told(Usage(input_tokens=10, output_tokens=5)) == "10 tokens in, 5 out"
