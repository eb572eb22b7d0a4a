"""Messages: every field says what it holds; and which model a task gets, where it is asked, and what it costs."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from grammar import messages
from grammar.documents.model_reach import EndpointLimits
from grammar.documents.models import ModelConfig, Price, Task
from grammar.errors import InvalidFlow
from grammar.loading.bundle import Loaded, LoadOptions, content_hash, load
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.activity_results import Usage
from grammar.messages.run_bundle import Bundle
from grammar.model_access import endpoint, model_choice
from grammar.model_access.endpoint import ANTHROPIC, COPILOT, OPENAI
from grammar.model_access.prices import cost

FLOW = "model_config: models\ntaskflow:\n  - task: {agents: [who], user_prompt: x, model: fast}\n"
MODULES = sorted(Path(messages.__path__[0]).glob("*.py"))
CLASSES = [
    pytest.param(found, id=f"{module.stem}.{found.name}")
    for module in MODULES
    for found in ast.parse(module.read_text(encoding="utf-8")).body
    if isinstance(found, ast.ClassDef)
]


def undescribed(found: ast.ClassDef) -> Iterator[str]:
    """The fields of a class that no text follows."""
    for statement, following in zip(found.body, [*found.body[1:], None], strict=True):
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            match following:
                case ast.Expr(value=ast.Constant(value=str(text))) if text.strip():
                    continue
            yield statement.target.id


@pytest.mark.parametrize("found", CLASSES)
def test_every_field_says_what_it_holds(found: ast.ClassDef) -> None:
    assert list(undescribed(found)) == []


def test_a_field_that_says_nothing_is_found() -> None:
    (found,) = ast.parse(
        'class A:\n    """A."""\n\n    a: int\n    """A."""\n    b: int = 0\n    c: int\n    """ """\n'
    ).body
    assert isinstance(found, ast.ClassDef)
    assert list(undescribed(found)) == ["b", "c"]
    assert len(CLASSES) > 40


@pytest.fixture
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


MESSAGES = {"api_type": "messages"}
AT_HOME = MESSAGES | {"endpoint": ANTHROPIC}


@pytest.mark.parametrize(
    ("spec", "environ", "url", "key"),
    [
        ({}, {}, None, None),
        ({}, {"OPENAI_API_KEY": "o"}, OPENAI, "o"),
        ({}, {"AI_API_TOKEN": "a"}, COPILOT, "a"),
        ({}, {"COPILOT_TOKEN": "c", "OPENAI_API_KEY": "o"}, OPENAI, "c"),
        ({}, {"OPENAI_BASE_URL": "http://b", "OPENAI_API_KEY": "o"}, "http://b", "o"),
        ({}, {"AI_API_ENDPOINT": "http://a", "OPENAI_BASE_URL": "http://b", "AI_API_TOKEN": "k"}, "http://a", "k"),
        ({"endpoint": "http://x"}, {"AI_API_ENDPOINT": "http://a", "AI_API_TOKEN": "k"}, "http://x", None),
        ({"endpoint": "http://a/v2"}, {"AI_API_ENDPOINT": "http://a", "AI_API_TOKEN": "k"}, "http://a/v2", "k"),
        ({"endpoint": "http://x", "token": "T"}, {"T": "own", "AI_API_TOKEN": "k"}, "http://x", "own"),
        ({}, {"ANTHROPIC_API_KEY": "c", "ANTHROPIC_BASE_URL": "http://c", "AI_API_TOKEN": "a"}, COPILOT, "a"),
        (MESSAGES, {"ANTHROPIC_API_KEY": "c"}, ANTHROPIC, "c"),
        (MESSAGES, {"ANTHROPIC_API_KEY": "c", "AI_API_TOKEN": "a", "OPENAI_API_KEY": "o"}, ANTHROPIC, "c"),
        (MESSAGES, {"ANTHROPIC_BASE_URL": "http://c", "AI_API_TOKEN": "a"}, "http://c", None),
        (MESSAGES, {"AI_API_TOKEN": "a", "OPENAI_BASE_URL": "http://o"}, COPILOT, "a"),
        (MESSAGES, {"AI_API_ENDPOINT": "http://a", "ANTHROPIC_API_KEY": "c", "OPENAI_API_KEY": "o"}, "http://a", None),
        (MESSAGES, {"AI_API_ENDPOINT": ANTHROPIC, "ANTHROPIC_API_KEY": "c", "AI_API_TOKEN": "a"}, ANTHROPIC, "a"),
        (MESSAGES, {"AI_API_ENDPOINT": ANTHROPIC, "ANTHROPIC_API_KEY": "c"}, ANTHROPIC, "c"),
        (AT_HOME, {"AI_API_ENDPOINT": "http://a", "ANTHROPIC_API_KEY": "c"}, ANTHROPIC, "c"),
        ({**MESSAGES, "endpoint": "http://x"}, {"ANTHROPIC_API_KEY": "c"}, "http://x", None),
        ({**MESSAGES, "endpoint": "http://x"}, {"ANTHROPIC_API_KEY": "c", "ANTHROPIC_BASE_URL": "http://x"},
         "http://x", "c"),
        ({"endpoint": ANTHROPIC}, {"ANTHROPIC_API_KEY": "c"}, ANTHROPIC, None),
    ],
)  # fmt: skip
def test_endpoint_and_key(spec: dict[str, str], environ: dict[str, str], url: str | None, key: str | None) -> None:
    chosen = endpoint.choose(ModelSpec(**spec), environ)
    assert (chosen.url, chosen.key) == (url, key)
    assert endpoint.is_embedded(environ) is (not environ)


@pytest.mark.parametrize(
    ("spec", "environ", "header", "integration"),
    [
        ({}, {"OPENAI_API_KEY": "o"}, "Authorization", None),
        ({}, {"AI_API_ENDPOINT": "http://a?api-version=1"}, "api-key", None),
        (MESSAGES, {"ANTHROPIC_API_KEY": "c"}, "x-api-key", None),
        (MESSAGES, {"AI_API_TOKEN": "a"}, "Authorization", "vscode-chat"),
        ({}, {"COPILOT_TOKEN": "a", "COPILOT_INTEGRATION_ID": "mine"}, "Authorization", "mine"),
    ],
)
def test_what_goes_along(spec: dict[str, str], environ: dict[str, str], header: str, integration: str | None) -> None:
    chosen = endpoint.choose(ModelSpec(**spec), environ)
    assert endpoint.key_header(chosen, ModelSpec(**spec).api_type) == header
    assert endpoint.copilot_headers(chosen, environ).get("Copilot-Integration-Id") == integration


def test_model_choice() -> None:
    config = ModelConfig(
        models={"fast": "gpt-x"}, model_settings={"fast": {"temperature": 1, "top_p": 0.5, "api_type": "responses"}}
    )
    spec = model_choice.choose(Task(model="fast", model_settings={"temperature": 0}), config)
    assert (spec.name, spec.api_type, spec.settings) == ("gpt-x", "responses", {"temperature": 0, "top_p": 0.5})
    assert model_choice.choose(Task(models=("fast",)), config).name == "gpt-x"
    assert model_choice.choose(Task(model="an-id"), config).name == "an-id"
    assert model_choice.choose(Task(), config).name is None


def test_fallbacks() -> None:
    config = ModelConfig(
        models={"a": "gpt-a", "b": "gpt-b"},
        model_settings={
            "a": {"fallback": ["b", "an-id"], "fallback_after": "5m", "token": "KEY", "top_p": 0.5},
            "b": {"api_type": "responses", "endpoint": "http://b", "fallback": ["c"]},
        },
    )
    task = Task(model="a", model_settings={"temperature": 1, "endpoint": "http://a"})
    own, second, third = model_choice.chain(task, config)
    assert (own.name, own.endpoint, own.token, own.settings) == (
        "gpt-a", "http://a", "KEY", {"temperature": 1, "top_p": 0.5},
    )  # fmt: skip
    assert (second.name, second.endpoint, second.token, second.api_type) == ("gpt-b", "http://b", None, "responses")
    assert (third.name, third.endpoint, second.settings, third.settings) == (
        "an-id", None, {"temperature": 1}, {"temperature": 1},
    )  # fmt: skip
    assert model_choice.fallback_after(task, config) == 300
    for fields, names in (
        ({"fallback": ("z",), "fallback_after": "1m"}, ("a", "z")),
        ({"fallback": ()}, ("a",)),
        ({"model_settings": {"fallback": ["y"]}}, ("a", "y")),
    ):
        assert model_choice.names(Task(model="a", **fields), config) == names
    choice = {"model": "a", "model_settings": {"fallback": ["x"], "temperature": 2}}
    several = Task(models=(choice, "b"))
    assert [model_choice.names(several, config, index) for index in (0, 1)] == [("a", "x"), ("b", "c")]
    assert [spec.settings for spec in model_choice.chain(several, config)] == [{"temperature": 2, "top_p": 0.5}, {}]


def test_limits() -> None:
    limits, own = EndpointLimits(requests_per_minute=60), EndpointLimits(concurrency=2)
    config = ModelConfig(
        models={"a": "gpt-a", "b": "gpt-b"}, model_settings={"b": {"limits": {"concurrency": 2}}}, limits=limits
    )
    shared, alone = (model_choice.choose(Task(model=name), config) for name in ("a", "b"))
    assert (shared.limits, shared.limits_are_its_own) == (limits, False)
    assert (alone.limits, alone.limits_are_its_own, alone.settings) == (own, True, {})
    assert model_choice.choose(Task(model="a"), ModelConfig()).limits is None
    bundle = Bundle(name="f", source="f", tasks=[Task(run="ls")], config=config)
    assert content_hash(bundle) == content_hash(
        bundle.model_copy(update={"config": config.model_copy(update={"limits": None})})
    )
