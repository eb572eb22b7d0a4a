"""The scripted endpoint answers OpenAI's own client as a provider would, and counts right."""

import asyncio
import time
from collections.abc import AsyncIterator
from typing import Any

import httpx2
import openai
import pytest
from openai import AsyncOpenAI
from pydantic import ValidationError

from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint
from tests.support.waiting import until_async

HELLO: Any = [{"role": "user", "content": "hello"}]
TOOL: Any = {"type": "function", "function": {"name": "add", "parameters": {"type": "object"}}}
TWO_CALLS = [Call(name="add", arguments={"a": 1}), Call(name="add", arguments={"a": 2})]


@pytest.fixture
async def endpoint() -> AsyncIterator[ScriptedEndpoint]:
    with ScriptedEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
async def client(endpoint: ScriptedEndpoint) -> AsyncIterator[AsyncOpenAI]:
    async with AsyncOpenAI(base_url=endpoint.url, api_key="k", max_retries=0, timeout=10) as client:
        yield client


async def ask(client: AsyncOpenAI, messages: Any = HELLO, **parameters: Any) -> Any:
    return await client.chat.completions.create(model="m", messages=messages, **parameters)


async def chunks(client: AsyncOpenAI, **parameters: Any) -> list[Any]:
    return [chunk async for chunk in await ask(client, stream=True, **parameters)]


async def test_no_rule_answers_ok(client: AsyncOpenAI, endpoint: ScriptedEndpoint) -> None:
    answer = await ask(client, temperature=0.5)
    assert (answer.choices[0].message.content, answer.choices[0].finish_reason) == ("ok", "stop")
    asked = endpoint.requests[0]
    assert (asked.path, asked.rule, asked.body["temperature"]) == ("/v1/chat/completions", None, 0.5)
    assert asked.headers["authorization"] == "Bearer k"


async def test_streamed_text_and_usage(client: AsyncOpenAI, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(text="You said $PROMPT", usage=(7, 3))]
    got = await chunks(client, stream_options={"include_usage": True})
    assert got[0].choices[0].delta.role == "assistant"
    assert "".join(chunk.choices[0].delta.content or "" for chunk in got[:-1]) == "You said hello"
    assert got[-2].choices[0].finish_reason == "stop"
    assert (got[-1].choices, got[-1].usage.total_tokens) == ([], 10)
    assert all(chunk.usage is None for chunk in await chunks(client))


@pytest.mark.parametrize("stream", [False, True])
async def test_two_calls_in_a_turn(client: AsyncOpenAI, endpoint: ScriptedEndpoint, stream: bool) -> None:
    endpoint.rules = [Reply(tool_calls=TWO_CALLS)]
    if stream:
        got = await chunks(client, tools=[TOOL])
        calls = [call for chunk in got for call in chunk.choices[0].delta.tool_calls or []]
        assert got[-1].choices[0].finish_reason == "tool_calls"
    else:
        calls = (await ask(client, tools=[TOOL])).choices[0].message.tool_calls
    assert [call.function.arguments for call in calls] == ['{"a": 1}', '{"a": 2}']
    assert len({call.id for call in calls}) == 2
    assert endpoint.requests[0].tools == ["add"]


async def test_the_first_rule_that_fits(client: AsyncOpenAI, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [
        Reply(when=Match(model="other"), text="model"),
        Reply(when=Match(system="pirate"), text="system"),
        Reply(when=Match(prompt="^hel+o$"), times=1, text="prompt"),
        Reply(when=Match(turn=1, tool_result="42"), text="result"),
        Reply(when=Match(turn=0), text="turn"),
    ]
    pirate = [{"role": "system", "content": "Be a pirate"}, *HELLO]
    call = {"id": "c", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    later = [{"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "42"}]
    said = [(await ask(client, messages)).choices[0].message.content for messages in (HELLO, HELLO, pirate)]
    assert said == ["prompt", "turn", "system"]
    assert (await ask(client, HELLO + later)).choices[0].message.content == "result"
    assert [request.rule for request in endpoint.requests] == [2, 4, 1, 3]


async def test_streamed_response(client: AsyncOpenAI, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(text="a longer text", usage=(7, 3))]
    async with client.responses.stream(model="m", input="hello", instructions="be brief") as stream:
        events = [event async for event in stream]
        final = await stream.get_final_response()
    assert final.output_text == "a longer text"
    assert final.usage and final.usage.total_tokens == 10
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == "a longer text"
    assert [event.snapshot for event in events if event.type == "response.output_text.delta"][-1] == "a longer text"
    assert (endpoint.requests[0].prompt, endpoint.requests[0].system) == ("hello", "be brief")


async def test_streamed_response_with_calls(client: AsyncOpenAI, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(tool_calls=TWO_CALLS)]
    async with client.responses.stream(model="m", input="hello") as stream:
        deltas = [event.snapshot async for event in stream if event.type == "response.function_call_arguments.delta"]
        final = await stream.get_final_response()
    assert deltas == ['{"a": 1}', '{"a": 2}']
    assert [(item.type, getattr(item, "name", "")) for item in final.output] == [("function_call", "add")] * 2


async def test_response_at_once(client: AsyncOpenAI) -> None:
    assert (await client.responses.create(model="m", input="hello")).output_text == "ok"


async def test_a_round_of_two_calls_is_one_turn(client: AsyncOpenAI, endpoint: ScriptedEndpoint) -> None:
    call = {"type": "function_call", "name": "add", "arguments": "{}"}
    result = {"type": "function_call_output", "output": "1"}
    a, b = {"call_id": "a"}, {"call_id": "b"}
    one_round: Any = [*HELLO, call | a, call | b, result | a, result | b]
    await client.responses.create(model="m", input=one_round)
    another: Any = [call | {"call_id": "c"}, result | {"call_id": "c"}]
    await client.responses.create(model="m", input=one_round + another)
    assert [request.turn for request in endpoint.requests] == [1, 2]


async def test_models(client: AsyncOpenAI, endpoint: ScriptedEndpoint) -> None:
    assert [model.id async for model in client.models.list()] == ["scripted"]
    assert not endpoint.requests


async def test_rate_limit(client: AsyncOpenAI, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(times=1, status=429, headers={"retry-after": "7"}, message="slow down", code="rate_limit")]
    with pytest.raises(openai.RateLimitError, match="slow down") as caught:
        await ask(client)
    assert (caught.value.response.headers["retry-after"], caught.value.code) == ("7", "rate_limit")
    assert (await ask(client)).choices[0].message.content == "ok"
    assert [request.status for request in endpoint.requests] == [429, 200]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (500, openai.InternalServerError),
    ],
)
async def test_errors(client: AsyncOpenAI, endpoint: ScriptedEndpoint, status: int, error: type[Exception]) -> None:
    endpoint.rules = [Reply(status=status, message="this is why")]
    with pytest.raises(error, match="this is why"):
        await ask(client, stream=True)


async def test_dropped_before(client: AsyncOpenAI, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(drop="before")]
    with pytest.raises(openai.APIConnectionError):
        await ask(client)
    assert endpoint.requests[0].status == 0


@pytest.mark.parametrize("stream", [False, True])
async def test_dropped_in_the_middle(client: AsyncOpenAI, endpoint: ScriptedEndpoint, stream: bool) -> None:
    endpoint.rules = [Reply(drop="middle", text="never whole")]
    with pytest.raises((openai.APIConnectionError, httpx2.RemoteProtocolError)):
        await (chunks(client) if stream else ask(client))


async def test_hangs_until_the_client_leaves(client: AsyncOpenAI, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(hang=True, times=1)]
    with pytest.raises(openai.APITimeoutError):
        await ask(client.with_options(timeout=0.2))
    await until_async(lambda: _true(endpoint.requests[0].end > 0))
    assert (await ask(client)).choices[0].message.content == "ok"


async def test_in_flight(client: AsyncOpenAI, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(delay=1)]
    await asyncio.gather(*(ask(client) for _ in range(4)))
    await ask(client)
    await until_async(lambda: _true(all(request.end > 0 for request in endpoint.requests)))  # noted after the answer
    assert endpoint.max_in_flight == 4
    assert 2 < endpoint.mean_in_flight() < 3  # four for one delay, then one for one delay
    assert all(request.end - request.start >= 1 for request in endpoint.requests)


async def test_leaving_ends_what_hangs(client: AsyncOpenAI) -> None:
    with ScriptedEndpoint([Reply(hang=True)]) as endpoint:
        asked = asyncio.create_task(ask(client.with_options(base_url=endpoint.url)))
        await until_async(lambda: _true(endpoint.requests))
        started = time.monotonic()
    with pytest.raises(openai.APIConnectionError):
        await asked
    assert time.monotonic() - started < 2


async def test_a_path_that_no_provider_has(endpoint: ScriptedEndpoint) -> None:
    wrong = endpoint.url.removesuffix("/v1") + "/v1/v1/nothing"
    async with AsyncOpenAI(base_url=wrong, api_key="k", max_retries=0) as client:
        with pytest.raises(openai.NotFoundError):
            await client.embeddings.create(model="m", input="hello")


def test_a_rule_with_a_misspelt_field_is_refused() -> None:
    with pytest.raises(ValidationError, match="txt"):
        Reply.model_validate({"txt": "hello"})


async def _true(condition: object) -> bool:
    return bool(condition)
