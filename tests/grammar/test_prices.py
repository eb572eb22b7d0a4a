"""Prices of a model config: what a run cost, and nothing else."""

from pathlib import Path

import pytest

from grammar.documents.models import ModelConfig, Price
from grammar.errors import InvalidFlow
from grammar.loading.bundle import Loaded, LoadOptions, load
from grammar.messages import model_choice
from grammar.messages.activity_results import Usage
from grammar.messages.prices import cost

FLOW = "model_config: models\ntaskflow:\n  - task: {agents: [who], user_prompt: x, model: fast}\n"


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def priced(here: Path, prices: str) -> Loaded:
    (here / "who.yaml").write_text("personality: Somebody\n")
    (here / "models.yaml").write_text(f"models: {{fast: gpt-x}}\nprices: {prices}\n")
    (here / "flow.yaml").write_text(FLOW)
    return load(LoadOptions("flow.yaml"))


def test_a_run_costs_what_the_names_of_its_models_say() -> None:
    config = ModelConfig(prices={"fast": Price(input=1, output=2), "gpt-x": Price(input=10, output=20)})
    usage = Usage(requests=1, input_tokens=1_000_000, output_tokens=500_000)
    assert cost(config, "fast", "gpt-x", usage) == 2
    assert cost(config, "slow", "gpt-x", usage) == 20
    assert cost(config, None, "gpt-x", usage) == 20
    assert cost(config, "slow", "gpt-y", usage) is None
    assert cost(config, "slow", "gpt-y", Usage()) == 0


def test_prices_go_to_no_model_and_change_no_hash(here: Path) -> None:
    one = priced(here, "{fast: {input: 1, output: 2}}").bundle
    other = priced(here, "{fast: {input: 3, output: 4}, gpt-x: {input: 1, output: 1}}").bundle
    assert (one.config.prices["fast"].output, other.config.prices["fast"].output) == (2, 4)
    assert one.hash == other.hash
    assert "price" not in model_choice.choose(one.tasks[0], one.config).model_dump_json()


@pytest.mark.parametrize(
    "prices", ["{fast: 1}", "{fast: {input: 1}}", "{fast: {input: 1, output: -1}}", "{fast: {input: .inf, output: 1}}"]
)
def test_wrong_prices(here: Path, prices: str) -> None:
    with pytest.raises(InvalidFlow, match=r"models\.yaml:2: prices\.fast"):
        priced(here, prices)


def test_unknown_fields_of_a_price_are_warned_of(here: Path) -> None:
    (warning,) = priced(here, "{fast: {input: 1, output: 2, ouput: 3}}").warnings
    assert (warning.field, warning.message) == ("prices.fast.ouput", "unknown field, ignored; did you mean `output`?")
