"""The scripted endpoint's Messages API, as the official SDK reads it."""

from collections.abc import AsyncIterator, Iterator

import anthropic
import pytest
from anthropic import AsyncAnthropic

from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint

ADD = Call(name="add", arguments={"a": 1})


@pytest.fixture
def endpoint() -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint() as endpoint:
        yield endpoint


@pytest.fixture
async def client(endpoint: ScriptedEndpoint) -> AsyncIterator[AsyncAnthropic]:
    async with AsyncAnthropic(base_url=endpoint.url.removesuffix("/v1"), api_key="key", max_retries=0) as client:
        yield client


async def test_a_streamed_message_is_the_whole_one(client: AsyncAnthropic, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(thinking="well", tool_calls=[ADD, ADD], usage=(1000, 5), cached=900, cache_write=50)]
    asked = {"model": "m", "max_tokens": 99, "messages": [{"role": "user", "content": "hello"}], "system": "be brief"}
    whole = await client.messages.create(**asked)  # type: ignore[call-overload]
    async with client.messages.stream(**asked) as stream:  # type: ignore[arg-type]
        streamed = await stream.get_final_message()
    assert streamed.model_dump() == whole.model_dump()
    assert [block.type for block in whole.content] == ["thinking", "redacted_thinking", "tool_use", "tool_use"]
    usage = whole.usage
    counts = (usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens, usage.output_tokens)
    assert counts == (50, 900, 50, 5)
    assert [(request.prompt, request.system, request.turn) for request in endpoint.requests] == [
        ("hello", "be brief", 0)
    ] * 2


async def test_rules_know_turns_and_results(client: AsyncAnthropic, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [
        Reply(when=Match(prompt="^go$", turn=1, tool_result="42"), text="a longer text", stop="max_tokens")
    ]
    content = [{"type": "tool_result", "tool_use_id": "c", "content": "it is 42"}]
    messages = [
        {"role": "user", "content": [{"type": "text", "text": "go"}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "c", "name": "add", "input": {}}]},
        {"role": "user", "content": content},
    ]
    tools = [{"name": "add", "input_schema": {"type": "object"}}]
    async with client.messages.stream(model="m", max_tokens=9, messages=messages, tools=tools) as stream:  # type: ignore[arg-type]
        texts = [text async for text in stream.text_stream]
        final = await stream.get_final_message()
    assert (texts, final.stop_reason) == (["a long", "er text"], "max_tokens")
    assert endpoint.requests[0].tools == ["add"]


async def test_errors(client: AsyncAnthropic, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(status=529, code="overloaded_error", message="Overloaded", headers={"retry-after": "3"})]
    with pytest.raises(anthropic.APIStatusError, match="Overloaded") as raised:
        await client.messages.create(model="m", max_tokens=9, messages=[{"role": "user", "content": "hello"}])
    assert raised.value.body == {"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}
    assert (raised.value.status_code, raised.value.response.headers["retry-after"]) == (529, "3")
