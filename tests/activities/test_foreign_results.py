"""Results of MCP servers that are not as the protocol has them (specification section 7)."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from mcp.shared.message import SessionMessage
from temporalio.exceptions import ApplicationError

from activities.storage.journal_files import JournalFiles
from activities.toolboxes.foreign_messages import understood
from grammar.messages.activity_requests import ModelSpec
from tests.activities.boxes import box, calls, http_box, http_server, one_by_one
from tests.activities.conftest import Bench
from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint

SERVER = Path(__file__).parents[1] / "support/raw_mcp_server.py"


def raw_box(*arguments: str) -> Any:
    return box(command=sys.executable, args=(str(SERVER), *arguments), session=20)


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


async def test_a_server_that_is_connected_to_anew_tells_of_a_new_tool(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = one_by_one(Call(name="learn"), Call(name="learnt"))
    with http_server("streamable") as (url, _):
        result = await bench.agent(toolboxes=http_box("streamable", url, reconnecting=True))
    assert "learnt" in endpoint.requests[1].tools
    assert [given.text for given in result.tool_results] == ["learnt", "done"]


@pytest.mark.parametrize("turn", [1, 2])
async def test_the_next_attempt_knows_what_a_server_had_added(
    bench: Bench, endpoint: ScriptedEndpoint, tmp_path: Path, turn: int
) -> None:
    """Its server is started anew, and has not learnt it: it says so to the model, if that calls it again."""
    bench.journals = JournalFiles(tmp_path)
    failing = Reply(when=Match(turn=turn), times=1, status=500)
    endpoint.rules = [failing, *one_by_one(Call(name="learn"), Call(name="learnt"), Call(name="learnt"))]
    with pytest.raises(ApplicationError, match="500"):
        await bench.agent(toolboxes=raw_box("--strict"))
    result = await bench.agent(toolboxes=raw_box("--strict"))
    missing = "there is no learnt"
    assert [given.text for given in result.tool_results][1:] == [missing if turn == 1 else "there are 3", missing]


READABLE = ["[audio/wav, 5 bytes]", "inside", "file:///b [data, 5 bytes]", "c <file:///c>"]


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
async def test_parts_that_are_no_text(bench: Bench, endpoint: ScriptedEndpoint, api: str) -> None:
    endpoint.rules = calls(Call(name="media"))
    result = await bench.agent(toolboxes=raw_box(), model=ModelSpec(api_type=api))
    text = "\n".join(["see", "[image/png, 5 bytes]", *READABLE])
    assert result.tool_results[0].text == text
    assert result.value == text
    assert json.dumps(endpoint.requests[1].body).count("data:image/png;base64,aGVsbG8=") == 1
    assert json.dumps(endpoint.requests[1].body).count("aGVsbG8=") == 1


async def test_images_come_after_all_results_of_a_turn(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="media"), Call(name="media"))
    result = await bench.agent(toolboxes=raw_box())
    messages = endpoint.requests[1].messages
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "tool", "tool", "user"]
    assert all("[image/png, 5 bytes]" in message["content"] for message in messages[3:5])
    assert [part["type"] for part in messages[5]["content"]] == ["text", "image_url", "image_url"]
    assert result.warnings == []


@pytest.mark.parametrize("api", ["chat_completions", "responses"])
@pytest.mark.parametrize(("status", "message"), [(400, "unknown variant"), (500, "image input is not supported")])
async def test_an_endpoint_that_takes_no_images(
    bench: Bench, endpoint: ScriptedEndpoint, api: str, status: int, message: str
) -> None:
    refusal = Reply(when=Match(turn=1), times=1, status=status, message=message)
    endpoint.rules = [refusal, *one_by_one(Call(name="media"), Call(name="media"))]
    result = await bench.agent(toolboxes=raw_box(), model=ModelSpec(api_type=api))
    refused = "the model endpoint refused a request with images of tools; the model was told what they are"
    assert (len(result.tool_results), result.warnings) == (2, [refused])
    assert ["base64" in json.dumps(request.body) for request in endpoint.requests] == [False, True, False, False]


async def test_another_refusal_is_told(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(when=Match(turn=1), status=400, message="no"), *calls(Call(name="media"))]
    with pytest.raises(ApplicationError, match="400 no"):
        await bench.agent(toolboxes=raw_box())
    assert len(endpoint.requests) == 3
