"""Agent runs on models of Anthropic's Messages API: what is asked, and what is kept of an answer."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from anthropic.types.message_create_params import MessageCreateParamsStreaming
from pydantic import TypeAdapter
from temporalio.exceptions import ApplicationError

from activities.messages_api.blocks import messages
from activities.storage.journal_files import JournalFiles
from grammar.documents.models import Personality
from grammar.messages.activity_requests import AgentSpec, ModelSpec
from grammar.messages.reports import ApprovalDecision
from tests.activities.boxes import calls, failure, one_by_one, shared_box
from tests.activities.conftest import Bench
from tests.activities.test_approval_legs import recorded
from tests.activities.test_foreign_results import raw_box
from tests.support.scripted_endpoint import Call, Match, RecordedRequest, Reply, ScriptedEndpoint

THINKING: dict[str, Any] = {"reasoning": {"effort": "high"}}
MARK = {"type": "ephemeral"}
LOOKUP = Call(name="lookup", arguments={"key": "a"})
SCHEMA = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
REQUEST: TypeAdapter[Any] = TypeAdapter(MessageCreateParamsStreaming)


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint([Reply(text="an answer")]) as endpoint:
        monkeypatch.setenv("ANTHROPIC_BASE_URL", endpoint.url.removesuffix("/v1"))
        monkeypatch.setenv("ANTHROPIC_API_KEY", "the-key-of-the-tests")
        yield endpoint
        for asked in endpoint.requests:
            if asked.path == "/v1/messages":
                raise_if_no_message_request(asked)


def raise_if_no_message_request(asked: RecordedRequest) -> None:
    """The official SDK's types say what a request may have; what they do not know, they leave out."""
    known = {name: value for name, value in asked.body.items() if name not in ("temperature", "top_p")}
    assert consumed(REQUEST.validate_python(known)) == known


def consumed(value: Any) -> Any:
    """The value with all that pydantic has put off: an `Iterable` is validated as it is read."""
    if isinstance(value, dict):
        return {name: consumed(part) for name, part in value.items()}
    return value if isinstance(value, str | int | float | None) else [consumed(part) for part in value]


def claude(**settings: Any) -> ModelSpec:
    return ModelSpec(name="claude-x", api_type="messages", settings=settings)


async def test_what_is_asked(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    result = await bench.agent("hello", capture="response", model=claude(**THINKING))
    assert (result.value, result.model) == ("an answer", "claude-x")
    assert (result.usage.requests, result.usage.input_tokens, result.usage.output_tokens) == (1, 10, 5)
    (asked,) = endpoint.requests
    assert asked.path == "/v1/messages"
    assert asked.headers["x-api-key"] == "the-key-of-the-tests"
    assert asked.headers["anthropic-version"] == "2023-06-01"
    assert "authorization" not in asked.headers
    (system,) = asked.body.pop("system")
    assert system["text"].startswith("Be brief.\n\n# Important Guidelines")
    assert system["cache_control"] == MARK
    assert asked.body == {
        "model": "claude-x",
        "max_tokens": 16_384,
        "messages": [{"role": "user", "content": [{"type": "text", "text": "hello"}]}],
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "high"},
        "stream": True,
    }


@pytest.mark.parametrize(("lifetime", "mark"), [("5m", MARK), ("1h", {**MARK, "ttl": "1h"}), ("off", None)])
async def test_what_the_endpoint_is_to_cache(
    bench: Bench, endpoint: ScriptedEndpoint, lifetime: str, mark: Any
) -> None:
    endpoint.rules = calls(LOOKUP)
    await bench.agent(toolboxes=shared_box(), model=claude(prompt_caching=lifetime))
    for asked in endpoint.requests:
        parts = [asked.body["tools"], asked.body["system"], asked.messages[-1]["content"]]
        assert [part[-1].get("cache_control") for part in parts] == [mark] * 3
        assert json.dumps(asked.body).count("cache_control") == (3 if mark else 0)


async def test_what_was_cached_is_recorded(bench: Bench, endpoint: ScriptedEndpoint, tmp_path: Path) -> None:
    bench.journals = JournalFiles(tmp_path)
    endpoint.rules = [Reply(usage=(1000, 20), cached=900, cache_write=50, reasoning=7)]
    result = await bench.agent(model=claude())
    assert result.usage.model_dump(exclude={"requests"}) == {
        "input_tokens": 1000, "cached_tokens": 900, "cache_write_tokens": 50, "output_tokens": 20,
        "reasoning_tokens": 7,
    }  # fmt: skip
    (journal,) = (path for path in tmp_path.rglob("*") if path.is_file())
    entries = [json.loads(line) for line in journal.read_text().splitlines() if line]
    (usage,) = [entry["response"]["usage"] for entry in entries if "response" in entry]
    assert (usage["input_tokens"], usage["output_tokens"], usage["total_tokens"]) == (1000, 20, 1020)
    assert usage["input_tokens_details"] == {"cached_tokens": 900, "cache_write_tokens": 50}


def thoughts(turn: int) -> list[dict[str, str]]:
    """The blocks of thought with which the scripted endpoint's answer of that turn begins."""
    signed = {"type": "thinking", "thinking": f"thought {turn}", "signature": f"signature-{turn}/thou=="}
    return [signed, {"type": "redacted_thinking", "data": f"redacted-{turn}=="}]


def sent_back(asked: RecordedRequest) -> list[list[dict[str, Any]]]:
    """What of the model's thoughts goes along with a request, turn by turn."""
    turns = [message["content"] for message in asked.messages if message["role"] == "assistant"]
    return [[block for block in blocks if "thinking" in block["type"]] for blocks in turns]


def thinking(rules: list[Reply]) -> list[Reply]:
    """The rules, one a turn, with what the model thinks in it."""
    return [rule.model_copy(update={"thinking": f"thought {turn}"}) for turn, rule in enumerate(rules)]


async def test_thoughts_go_back_unchanged_in_each_turn(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = thinking(one_by_one(LOOKUP, LOOKUP))
    await bench.agent(toolboxes=shared_box(), model=claude(**THINKING))
    assert sent_back(endpoint.requests[2]) == [thoughts(0), thoughts(1)]
    kinds = [block["type"] for block in endpoint.requests[2].messages[1]["content"]]
    assert kinds == ["thinking", "redacted_thinking", "tool_use"]


async def test_thoughts_go_back_unchanged_in_the_next_attempt(
    bench: Bench, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    """The answers come from the journal then; of an attempt that was killed as of one that failed."""
    bench.journals = JournalFiles(tmp_path)
    failing = Reply(when=Match(turn=2), times=1, status=500)
    endpoint.rules = [failing, *thinking(one_by_one(LOOKUP, LOOKUP))]
    with pytest.raises(ApplicationError, match="500"):
        await bench.agent(toolboxes=shared_box(), model=claude(**THINKING))
    result = await bench.agent(toolboxes=shared_box(), model=claude(**THINKING))
    refused, again = endpoint.requests[2:]
    assert refused.body == again.body
    assert sent_back(again) == [thoughts(0), thoughts(1)]
    assert result.usage.requests == 3


async def test_thoughts_go_back_unchanged_after_an_approval(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = thinking(one_by_one(LOOKUP))
    fields: dict[str, Any] = {"toolboxes": shared_box(confirm=("lookup",)), "model": claude(**THINKING)}
    leg = recorded(await bench.agent(**fields))
    yes = [ApprovalDecision(id=leg.calls[0].id, approved=True)]
    await bench.agent(**fields, leg=leg, verdicts=yes)
    assert sent_back(endpoint.requests[1]) == [thoughts(0)]


async def test_thoughts_go_along_in_a_handoff(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [
        Reply(when=Match(system="I am first"), thinking="thought 0", tool_calls=[Call(name="transfer_to_second")]),
        Reply(when=Match(system="I am second"), text="from the second"),
    ]
    agents = [AgentSpec(name=n, personality=Personality(personality=f"I am {n}")) for n in ("first", "second")]
    result = await bench.agent(agents=agents, capture="response", model=claude(**THINKING))
    assert result.value == "from the second"
    first, second = endpoint.requests
    assert (first.tools, second.tools) == (["transfer_to_second"], [])
    assert sent_back(second) == [thoughts(0)]


@pytest.mark.parametrize(
    "apis", [("messages", "chat_completions"), ("chat_completions", "messages"), ("messages",) * 2]
)
async def test_a_model_of_another_api_goes_on(
    bench: Bench, endpoint: ScriptedEndpoint, tmp_path: Path, apis: tuple[str, str]
) -> None:
    bench.journals = JournalFiles(tmp_path)
    gone = Reply(when=Match(model="first", turn=1), status=402, message="no money left")
    endpoint.rules = [gone, *thinking(one_by_one(LOOKUP, LOOKUP))]
    specs = [
        ModelSpec(name=name, api_type=api, endpoint=endpoint.url, token="ANTHROPIC_API_KEY")
        for name, api in zip(("first", "second"), apis, strict=True)
    ]
    fields: dict[str, Any] = {"toolboxes": shared_box(), "models": ["first", "second"]}
    leg = recorded(await bench.agent(**fields, model=specs[0]))
    assert leg.reason == "unavailable"
    result = await bench.agent(**fields, model=specs[1], model_number=1)
    assert [tool_result.tool_name for tool_result in result.tool_results] == ["lookup", "lookup"]
    last = endpoint.requests[-1]
    assert (last.body["model"], last.turn) == ("second", 2)
    assert "signature-0" not in json.dumps(last.body)
    if apis[1] == "messages":
        assert sent_back(last) == [[], thoughts(1)]


async def test_images_are_seen_within_the_results(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="media"), Call(name="media"))
    await bench.agent(toolboxes=raw_box(), model=claude())
    results = endpoint.requests[1].messages[-1]["content"]
    assert [result["type"] for result in results] == ["tool_result"] * 2
    image = {"type": "base64", "media_type": "image/png", "data": "aGVsbG8="}
    for result in results:
        assert [part.get("source", part.get("text")) for part in result["content"]][:2] == ["see", image]


async def test_an_endpoint_that_takes_no_images(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    refusal = Reply(when=Match(turn=1), times=1, status=400, message="image: unsupported")
    endpoint.rules = [refusal, *calls(Call(name="media"))]
    result = await bench.agent(toolboxes=raw_box(), model=claude())
    assert len(result.warnings) == 1
    assert "[image/png, 5 bytes]" in endpoint.requests[2].tool_result


async def test_outputs_constrain_the_answer(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    refusal = Reply(times=1, status=400, message="output_config.format: Extra inputs are not permitted")
    endpoint.rules = [refusal, Reply(text='{"n": 1}')]
    result = await bench.agent(capture="response", outputs=SCHEMA, model=claude(**THINKING))
    assert result.value == {"n": 1}
    asked = [request.body["output_config"] for request in endpoint.requests]
    assert asked == [{"effort": "high", "format": {"type": "json_schema", "schema": SCHEMA}}, {"effort": "high"}]
    await bench.agent(capture="response", outputs={"type": "object", "properties": {"n": True}}, model=claude())
    assert "output_config" not in endpoint.requests[-1].body  # the API takes closed objects alone


ERRORS = [
    (Reply(status=500, code="api_error", message="Internal server error"), "ModelUnavailable"),
    (Reply(status=400, message="Your credit balance is too low to access the API"), "QuotaExhausted"),
    (Reply(status=400, message="prompt is too long: 210000 tokens > 200000 maximum"), "ContextTooLong"),
    (Reply(status=413, code="request_too_large"), "ContextTooLong"),
    (Reply(status=401, code="authentication_error", message="invalid x-api-key"), "ModelAccess"),
    (Reply(status=400, code="invalid_request_error", message="max_tokens: no"), "BadRequest"),
    (Reply(drop="middle", text="half of it"), "ModelUnavailable"),
    (Reply(stop="refusal"), "ModelRefused"),
    (Reply(stop="max_tokens"), "AnswerCut"),
    (Reply(stop="pause_turn"), "AnswerCut"),
]


@pytest.mark.parametrize(("rule", "kind"), ERRORS)
async def test_what_the_endpoint_refuses(bench: Bench, endpoint: ScriptedEndpoint, rule: Reply, kind: str) -> None:
    endpoint.rules = [rule]
    assert (await failure(bench, capture="response", model=claude())).type == kind


@pytest.mark.parametrize(("status", "code"), [(429, "rate_limit_error"), (529, "overloaded_error")])
async def test_a_limit_ends_the_leg(bench: Bench, endpoint: ScriptedEndpoint, status: int, code: str) -> None:
    endpoint.rules = [Reply(status=status, code=code, headers={"retry-after": "7"}, message="slow down")]
    leg = (await bench.agent(model=claude())).leg
    assert leg
    assert (leg.reason, leg.delay) == ("rate_limited", 7)


@pytest.mark.parametrize(
    ("settings", "choice"),
    [
        ({}, None),
        ({"parallel_tool_calls": True}, None),
        ({"parallel_tool_calls": False}, {"type": "auto", "disable_parallel_tool_use": True}),
        ({"tool_choice": "required"}, {"type": "any"}),
        ({"tool_choice": "lookup", "parallel_tool_calls": False},
         {"type": "tool", "name": "lookup", "disable_parallel_tool_use": True}),
        ({"tool_choice": "none", "parallel_tool_calls": False}, {"type": "none"}),
    ],
)  # fmt: skip
async def test_which_tool_is_to_be_called(
    bench: Bench, endpoint: ScriptedEndpoint, settings: dict[str, Any], choice: Any
) -> None:
    await bench.agent(toolboxes=shared_box(), model=claude(**settings))
    assert endpoint.requests[0].body.get("tool_choice") == choice


async def test_other_settings_go_along(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    own = {"max_tokens": 99, "temperature": 0.3, "top_p": 0.9, "metadata": {"user_id": "u"}, "stop_sequences": ["x"]}
    explicit = {"thinking": {"type": "enabled", "budget_tokens": 2048}, "extra_headers": {"anthropic-beta": "b"}}
    await bench.agent(model=claude(**own, **explicit, **THINKING))
    (asked,) = endpoint.requests
    assert {name: asked.body[name] for name in own} == own
    assert asked.body["thinking"] == explicit["thinking"]
    assert asked.headers["anthropic-beta"] == "b"


def test_items_that_another_apis_model_has_left() -> None:
    """Thoughts mean nothing here; ids and arguments of calls are as the API takes them."""
    thought = {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "gAAA"}
    call = {"type": "function_call", "call_id": "call:1", "name": "f", "arguments": '{"cut'}
    output = {"type": "function_call_output", "call_id": "call:1", "output": ""}
    svg = {"type": "input_image", "image_url": "data:image/svg+xml;base64,aGVsbG8="}
    seen = {"type": "function_call_output", "call_id": "c", "output": [svg]}
    far = {"role": "user", "content": [{"type": "input_image", "image_url": "https://a.example/x.png"}]}
    assert messages([{"role": "user", "content": "hi"}, thought, call, output, seen, far]) == [
        {"role": "user", "content": [{"type": "text", "text": "hi"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "call_1", "name": "f", "input": {}}]},
        {
            "role": "user",
            "content": [
                {"type": "tool_result", "tool_use_id": "call_1"},
                {
                    "type": "tool_result",
                    "tool_use_id": "c",
                    "content": [{"type": "text", "text": "[image/svg+xml, 5 bytes]"}],
                },
                {"type": "image", "source": {"type": "url", "url": "https://a.example/x.png"}},
            ],
        },
    ]
