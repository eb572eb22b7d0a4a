"""Results of MCP servers that are not as the protocol has them (specification section 7)."""

import sys
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.message import SessionMessage

from activities.toolboxes.foreign_messages import understood
from tests.activities.boxes import box, calls
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
