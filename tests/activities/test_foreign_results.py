"""Results of MCP servers that are not as the protocol has them (specification section 7)."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.message import SessionMessage

from activities.toolboxes.foreign_messages import understood
from grammar.messages.activity_requests import ModelSpec
from tests.activities.boxes import box, calls, one_by_one
from tests.activities.conftest import Bench
from tests.support.scripted_endpoint import Call, ScriptedEndpoint

SERVER = Path(__file__).parents[1] / "support/raw_mcp_server.py"


def raw_box() -> Any:
    return box(command=sys.executable, args=(str(SERVER),), session=20)


async def test_a_result_that_does_not_fit_its_own_schema_is_its_text(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    tools = ("no_structure", "other_structure", "null_structure")
    endpoint.rules = calls(*(Call(name=name) for name in tools))
    result = await bench.agent(toolboxes=raw_box())
    assert [given.text for given in result.tool_results] == ["there are 3"] * 3
    assert result.value == "there are 3"
    assert result.warnings == [
        f"tests.box: what {name} gave does not fit its own outputSchema; its text counts" for name in tools
    ]


async def test_messages_that_are_no_json(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    made = ("half_a_character", "no_object", "broken")
    endpoint.rules = calls(*(Call(name=name) for name in made), Call(name="echo", arguments={"a": "\ud83d"}))
    result = await bench.agent(toolboxes=raw_box())
    assert [given.text for given in result.tool_results] == [
        "half ?, whole \U0001f600",
        "the server answered with what is no JSON-RPC message",
        "the server answered with what is no JSON-RPC message",
        '{"a": "?"}',
    ]


@pytest.mark.parametrize("item", [ValueError("gone"), SessionMessage(message=None)])  # type: ignore[arg-type]
def test_other_items_are_left_alone(item: Any) -> None:
    assert understood(item) is item


@pytest.mark.parametrize("kind", ["raw", "modern"])
async def test_a_new_tool_can_be_called_in_the_next_turn(bench: Bench, endpoint: ScriptedEndpoint, kind: str) -> None:
    endpoint.rules = one_by_one(Call(name="learn"), Call(name="learnt"))
    result = await bench.agent(toolboxes=raw_box() if kind == "raw" else box("--more"))
    assert "learnt" not in endpoint.requests[0].tools
    assert "learnt" in endpoint.requests[1].tools
    assert [given.tool_name for given in result.tool_results] == ["learn", "learnt"]


READABLE = ["[audio/wav, 5 bytes]", "inside", "file:///b [data, 5 bytes]", "c <file:///c>"]


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
async def test_parts_that_are_no_text(bench: Bench, endpoint: ScriptedEndpoint, api: str) -> None:
    endpoint.rules = calls(Call(name="media"))
    result = await bench.agent(toolboxes=raw_box(), model=ModelSpec(api_type=api))
    text = "\n".join(["see", "[image/png, 5 bytes]", *READABLE])
    assert result.tool_results[0].text == text
    assert result.value == text
    told = json.dumps(endpoint.requests[1].body)
    assert ("data:image/png;base64,aGVsbG8=" in told) is (api == "responses")
    assert told.count("aGVsbG8=") == (1 if api == "responses" else 0)
