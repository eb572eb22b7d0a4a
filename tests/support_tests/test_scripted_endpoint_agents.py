"""The Agents SDK gets along with the scripted endpoint, over both of OpenAI's APIs."""

import re
from collections.abc import AsyncIterator

import pytest
from agents import (
    Agent,
    Model,
    ModelSettings,
    OpenAIChatCompletionsModel,
    OpenAIResponsesModel,
    RunConfig,
    Runner,
    function_tool,
)
from agents.result import RunResultStreaming
from openai import AsyncOpenAI

from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint

SETTINGS = ModelSettings(include_usage=True)
APIS = [OpenAIChatCompletionsModel, OpenAIResponsesModel]


@pytest.fixture
async def endpoint() -> AsyncIterator[ScriptedEndpoint]:
    with ScriptedEndpoint() as endpoint:
        yield endpoint


@pytest.fixture(params=APIS)
async def model(endpoint: ScriptedEndpoint, request: pytest.FixtureRequest) -> AsyncIterator[Model]:
    async with AsyncOpenAI(base_url=endpoint.url, api_key="k", max_retries=0, timeout=10) as client:
        yield request.param(model="m", openai_client=client)


async def run(model: Model, prompt: str = "hello") -> RunResultStreaming:
    @function_tool
    def add(a: int, b: int) -> str:
        """Add two numbers."""
        return f"sum {a + b}"

    agent = Agent(name="a", instructions="be brief", model=model, tools=[add], model_settings=SETTINGS)
    result = Runner.run_streamed(agent, prompt, run_config=RunConfig(tracing_disabled=True))
    async for _ in result.stream_events():
        pass
    return result


async def test_text(model: Model, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(text="You said $PROMPT", usage=(7, 3))]
    result = await run(model)
    usage = result.context_wrapper.usage
    assert (result.final_output, usage.input_tokens, usage.output_tokens) == ("You said hello", 7, 3)
    asked = endpoint.requests[0]
    assert (asked.prompt, asked.system.strip(), asked.turn, asked.tools) == ("hello", "be brief", 0, ["add"])


async def test_call_and_answer(model: Model, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [
        Reply(when=Match(turn=0), tool_calls=[Call(name="add", arguments={"a": 1, "b": 2})]),
        Reply(when=Match(turn=1, tool_result="sum 3"), tool_calls=[Call(name="add", arguments={"a": 3, "b": 3})]),
        Reply(when=Match(turn=2, tool_result="sum 6"), text="six"),
    ]
    assert (await run(model)).final_output == "six"
    assert [request.rule for request in endpoint.requests] == [0, 1, 2]
    assert {request.prompt for request in endpoint.requests} == {"hello"}


async def test_two_calls_in_a_turn(model: Model, endpoint: ScriptedEndpoint) -> None:
    calls = [Call(name="add", arguments={"a": 1, "b": b}) for b in (1, 2)]
    endpoint.rules = [Reply(when=Match(turn=0), tool_calls=calls), Reply(when=Match(turn=1), text="both")]
    assert (await run(model)).final_output == "both"
    said = str(endpoint.requests[1].messages)
    assert re.findall(r"sum \d", said) == ["sum 2", "sum 3"]
