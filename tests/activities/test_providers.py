"""The model configs of the pages in docs/models, each on an endpoint with the oddities of its provider."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from grammar.documents.models import ModelConfig, Task
from grammar.messages.activity_requests import ModelSpec
from grammar.model_access import model_choice
from tests.activities.boxes import failure, shared_box
from tests.activities.conftest import Bench
from tests.docs.examples import examples
from tests.support.scripted_endpoint import Match, RecordedRequest, Reply, ScriptedEndpoint

PAGES = Path(__file__).parents[2] / "docs/models"
KEY = "the-key-of-the-provider"
LOOKUP = '{"key": "a"}'
IDS = "the model endpoint sent ids of tool calls that were empty or used before, and was understood"


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": 0, "delta": delta, "finish_reason": finish}], **more}


def call(arguments: str = LOOKUP, **fields: Any) -> dict[str, Any]:
    return {"tool_calls": [{"type": "function", "function": {"name": "lookup", "arguments": arguments}, **fields}]}


@dataclass(frozen=True)
class Provider:
    """A provider, by its page and the name of a model in its config; and how it answers.

    `calls`: its answer with a call of `lookup`, in events; `says`: that with the text `done`. `headers`: by which its
    key comes. `tokens`: those that it tells of both answers.
    """

    page: str
    model: str
    path: str
    calls: list[dict[str, Any] | str]
    says: list[dict[str, Any] | str]
    headers: dict[str, str] = field(default_factory=lambda: {"authorization": f"Bearer {KEY}"})
    tokens: tuple[int, int] = (0, 0)
    warnings: tuple[str, ...] = ()


USAGE = {"prompt_tokens": 10, "completion_tokens": 5}
DONE: list[dict[str, Any] | str] = [chunk({"content": "done"}), chunk({}, "stop")]
FILTERS = {"choices": [], "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {}}]}
PROVIDERS = [
    Provider(  # it begins with what its filter says of the prompt, and counts at the end
        "azure", "gpt", "/openai/deployments/DEPLOYMENT/chat/completions?api-version=2024-10-21",
        [FILTERS, chunk(call(index=0, id="call_1") | {"content": None}), chunk({}, "tool_calls"),
         {"choices": [], "usage": USAGE}],
        [FILTERS, chunk({"content": "done"}, content_filter_offsets={}), chunk({}, "stop"),
         {"choices": [], "usage": USAGE}],
        {"api-key": KEY}, (20, 10),
    ),
    Provider(  # comments while it waits, thoughts beside the text, and the usage with the last choice
        "openrouter", "open", "/api/v1/chat/completions",
        [": OPENROUTER PROCESSING\n\n", chunk({"role": "assistant", "content": "", "reasoning": "well",
         "reasoning_details": [{"type": "reasoning.text", "text": "well"}]}),
         chunk(call(index=0, id="call_1"), provider="DeepInfra"),
         chunk({"content": ""}, "tool_calls", usage=USAGE | {"cost": 1})],
        [": OPENROUTER PROCESSING\n\n", chunk({"content": "done"}), chunk({"content": ""}, "stop", usage=USAGE)],
        tokens=(20, 10),
    ),
    Provider(  # no index, no end of the call, all in one chunk; what it thought is signed
        "gemini", "gemini", "/v1beta/openai/chat/completions",
        [chunk({"role": "assistant", **call(id="", extra_content={"google": {"thought_signature": "EjQK"}})},
         "tool_calls", usage=USAGE)],
        [chunk({"content": "done"}, "stop", usage=USAGE)],
        tokens=(20, 10), warnings=(IDS,),
    ),
    Provider(  # whole calls, which it ends with `stop`; it was not asked for a key, and counts nothing
        "ollama", "local", "/v1/chat/completions",
        [chunk({"role": "assistant", "content": "", **call(index=0, id="call_8x")}), chunk({"content": ""}, "stop")],
        DONE, {},
    ),
    Provider(  # thoughts before the call, whose arguments come in pieces
        "vllm", "house", "/v1/chat/completions",
        [chunk({"role": "assistant", "content": ""}), chunk({"reasoning_content": "well"}),
         chunk(call("", index=0, id="chatcmpl-tool-1")),
         *(chunk({"tool_calls": [{"index": 0, "function": {"arguments": part}}]}) for part in (LOOKUP[:5], LOOKUP[5:])),
         chunk({"content": ""}, "tool_calls"), {"choices": [], "usage": {**USAGE, "prompt_tokens_details": None}}],
        DONE, tokens=(10, 5),
    ),
]  # fmt: skip


def config(page: str) -> ModelConfig:
    """The model config that stands on a page."""
    ((kind, text),) = examples(PAGES / f"{page}.md")
    assert kind == "model_config"
    return ModelConfig.model_validate(yaml.safe_load(text))


def spec_of(page: str, model: str, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch) -> ModelSpec:
    """The model, as its page has it, but for the host."""
    spec = model_choice.choose(Task(model=model, user_prompt="x"), config(page))
    for name in filter(None, [spec.token]):
        monkeypatch.setenv(name, KEY)
    host = urlsplit(endpoint.url)
    return spec.model_copy(
        update={"endpoint": urlsplit(spec.endpoint or "")._replace(scheme=host.scheme, netloc=host.netloc).geturl()}
    )


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Any:
    with ScriptedEndpoint() as endpoint:
        yield endpoint


@pytest.mark.parametrize("provider", PROVIDERS, ids=lambda provider: provider.page)
async def test_a_provider_as_its_page_has_it(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch, provider: Provider
) -> None:
    spec = spec_of(provider.page, provider.model, endpoint, monkeypatch)
    endpoint.rules = [Reply(when=Match(turn=0), raw=provider.calls), Reply(raw=provider.says)]
    result = await bench.agent(toolboxes=shared_box(), model=spec)
    assert result.value == {"key": "a", "items": [1, 2]}
    assert result.said[-1].text == "done"
    assert (result.usage.input_tokens, result.usage.output_tokens) == provider.tokens
    assert tuple(result.warnings) == provider.warnings
    for asked in endpoint.requests:
        assert asked.path == provider.path
        assert {
            name: asked.headers[name] for name in ("authorization", "api-key") if name in asked.headers
        } == provider.headers


async def test_gemini_gets_its_signatures_back(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = spec_of("gemini", "gemini", endpoint, monkeypatch)
    endpoint.rules = [Reply(when=Match(turn=0), raw=PROVIDERS[2].calls), Reply(raw=PROVIDERS[2].says)]
    await bench.agent(toolboxes=shared_box(), model=spec)
    assert sent_back(endpoint.requests[1]) == [{"google": {"thought_signature": "EjQK"}}]


def sent_back(asked: RecordedRequest) -> list[Any]:
    calls = [call for message in asked.messages for call in message.get("tool_calls") or ()]
    return [call.get("extra_content") for call in calls]


async def test_settings_of_the_providers_own_go_along(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.agent(model=spec_of("openrouter", "open", endpoint, monkeypatch))
    await bench.agent(model=spec_of("vllm", "house", endpoint, monkeypatch))
    router, house = (asked.body for asked in endpoint.requests)
    assert router["provider"] == {"require_parameters": True, "data_collection": "deny"}
    assert house["chat_template_kwargs"] == {"enable_thinking": False}


async def test_the_newer_urls_of_azure(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.agent(model=spec_of("azure", "newest", endpoint, monkeypatch))
    (asked,) = endpoint.requests
    assert (asked.path, asked.body["model"]) == ("/openai/v1/responses", "my-deployment")
    assert asked.headers["authorization"] == f"Bearer {KEY}"


async def test_anthropic_as_its_page_has_it(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    await bench.agent(model=spec_of("anthropic", "careful", endpoint, monkeypatch))
    (asked,) = endpoint.requests
    assert (asked.path, asked.headers["x-api-key"], asked.body["max_tokens"]) == ("/v1/messages", KEY, 32_000)
    assert asked.body["system"][0]["cache_control"]["ttl"] == "1h"


@pytest.mark.parametrize("setting", [True, False])
async def test_an_endpoint_that_refuses_to_be_asked_for_tokens(
    bench: Bench, endpoint: ScriptedEndpoint, setting: bool
) -> None:
    spec = ModelSpec(name="m", endpoint=endpoint.url, settings={} if setting else {"include_usage": False})
    await bench.agent(model=spec)
    assert ("stream_options" in endpoint.requests[0].body) == setting


FAULTS: list[tuple[str, Reply, str]] = [
    ("openrouter", Reply(raw={"error": {"code": 402, "message": "Insufficient credits"}}), "QuotaExhausted"),
    ("openrouter", Reply(raw=[chunk({"content": "x"}), {"error": {"code": 502, "message": "gone"}, "choices": []}]),
     "ModelUnavailable"),
    ("openrouter", Reply(raw=[chunk({"content": "x"}), {"error": {"code": 429, "message": "slow"}}]), "rate_limited"),
    ("gemini", Reply(status=400, body=[{"error": {"code": 400, "status": "INVALID_ARGUMENT", "message":
     "The input token count (9) exceeds the maximum number of tokens allowed (8)."}}]), "ContextTooLong"),
    ("gemini", Reply(raw=[chunk({}, "SAFETY")]), "AnswerCut"),
    ("azure", Reply(status=400, code="content_filter", message="The response was filtered"), "ContentFiltered"),
    ("ollama", Reply(raw=[{"error": {"message": "model runner has unexpectedly stopped", "type": "api_error"}}]),
     "ModelUnavailable"),
    ("vllm", Reply(status=400, message="This model's maximum context length is 8 tokens."), "ContextTooLong"),
]  # fmt: skip


@pytest.mark.parametrize(("page", "rule", "kind"), FAULTS)
async def test_what_providers_refuse(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch, page: str, rule: Reply, kind: str
) -> None:
    endpoint.rules = [rule]
    spec = spec_of(page, next(iter(config(page).models)), endpoint, monkeypatch)
    if kind == "rate_limited":
        leg = (await bench.agent(capture="response", model=spec)).leg
        assert leg and leg.reason == kind
    else:
        assert (await failure(bench, capture="response", model=spec)).type == kind
