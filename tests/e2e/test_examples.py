"""The examples, as a newcomer runs them."""

import pytest

from tests.e2e.conftest import ROOT, Desk, Scripted
from tests.support.endpoint import Call, Rule, When

EXAMPLES = ROOT / "taskflows/examples"


def test_hello_on_the_embedded_model(desk: Desk) -> None:
    ended = desk.run(str(EXAMPLES / "hello.yaml"), timeout=110)
    assert ended.code == 0, ended.err
    assert "135M toy model" in ended.out
    assert "describe each  done    4/4" in ended.out
    assert all(f"✓ item {number} of 4" in ended.out for number in (1, 2, 3, 4))


def test_echo_shows_the_tool_call_and_its_result(desk: Desk, scripted: Scripted) -> None:
    endpoint = scripted(
        [
            Rule(when=When(turn=0), tool_calls=[Call(name="echo_tool", arguments={"message": "Hello World"})]),
            Rule(when=When(tool_result="Hello World"), text="It answered."),
        ]
    )
    ended = desk.run(str(EXAMPLES / "echo.yaml"))
    assert ended.code == 0, ended.err
    assert '→ echo_tool({"message": "Hello World"})' in ended.out
    assert "Echo: Hello World" in ended.out.split("←")[1]
    assert "assistant: It answered." in ended.out
    assert endpoint.requests[0].tools == ["echo_tool"]


def test_memcache(desk: Desk, scripted: Scripted) -> None:
    colors = ["red", "green", "blue"]
    set_colors = Call(name="memcache_set_state", arguments={"key": "colors", "value": colors})
    scripted(
        [
            Rule(when=When(turn=0, prompt="Store"), tool_calls=[set_colors]),
            Rule(
                when=When(turn=0, prompt="Get"),
                tool_calls=[Call(name="memcache_get_state", arguments={"key": "colors"})],
            ),
        ]
    )
    ended = desk.run(str(EXAMPLES / "memcache.yaml"), MEMCACHE_STATE_DIR=str(desk.folder))
    assert ended.code == 0, ended.err
    assert '["red", "green", "blue"]' in ended.out.rpartition("←")[2]


@pytest.mark.parametrize("name", ["globals", "reusable_prompt"])
def test_the_others(desk: Desk, scripted: Scripted, name: str) -> None:
    endpoint = scripted([Rule(text="done")])
    ended = desk.run(str(EXAMPLES / f"{name}.yaml"), "--json")
    assert (ended.code, ended.json["status"]) == (0, "completed"), ended.err
    assert endpoint.requests


def test_personality_mode(desk: Desk, scripted: Scripted) -> None:
    endpoint = scripted([Rule(text="An answer.")])
    ended = desk.run("-p", "seclab_taskflow_agent.personalities.assistant", "What is {{ 1 }}?")
    assert ended.code == 0, ended.err
    assert "assistant: An answer." in ended.out
    assert endpoint.requests[0].prompt == "What is {{ 1 }}?"
