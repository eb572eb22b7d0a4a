"""Agent runs that wait for a person, and go on in another process (specification sections 6 and 9)."""

import json
from typing import Any

import pytest

from grammar.documents.models import Personality
from grammar.messages.activity_requests import AgentSpec
from grammar.messages.activity_results import BranchResult, Leg
from grammar.messages.reports import ApprovalDecision
from tests.activities.boxes import calls, shared_box
from tests.activities.conftest import Bench
from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint


def guarded(*tools: str, **fields: Any) -> Any:
    """Return a toolbox with tools that need a person's approval."""
    return shared_box(confirm=tools, **fields)


def recorded(result: BranchResult) -> Leg:
    """The leg as it comes back out of the history."""
    assert result.leg
    return Leg.model_validate_json(result.leg.model_dump_json())


TWO = [Call(name="lookup", arguments={"key": "a"}), Call(name="slow", arguments={"seconds": 0})]


async def test_a_call_that_needs_a_yes_ends_the_leg(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(*TWO)
    result = await bench.agent(toolboxes=guarded("lookup"))
    assert result.leg
    (call,) = result.leg.calls
    assert (call.tool, call.toolbox, json.loads(call.arguments)) == ("lookup", "tests.box", {"key": "a"})
    assert (result.produced, len(endpoint.requests), result.usage.requests) == (False, 1, 1)


@pytest.mark.parametrize("fields", [{"headless": True}, {"blocked_tools": ["lookup"]}])
async def test_no_one_is_asked(bench: Bench, endpoint: ScriptedEndpoint, fields: dict[str, Any]) -> None:
    endpoint.rules = calls(TWO[1] if "blocked_tools" in fields else TWO[0])
    result = await bench.agent(toolboxes=guarded("lookup"), **fields)
    assert (result.leg, result.produced) == (None, True)


async def test_the_next_leg_goes_on_from_the_call(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(*TWO)
    toolboxes = guarded("lookup")
    leg = recorded(await bench.agent("go", toolboxes=toolboxes))
    yes = [ApprovalDecision(id=leg.calls[0].id, approved=True)]
    result = await bench.agent("go", toolboxes=toolboxes, leg=leg, verdicts=yes)
    assert [tool_result.tool_name for tool_result in result.tool_results] == ["lookup", "slow"]
    assert result.tool_results[0].structured == {"key": "a", "items": [1, 2]}
    assert (len(endpoint.requests), result.usage.requests, result.usage.input_tokens) == (2, 2, 20)
    roles = [message["role"] for message in endpoint.requests[1].messages]
    assert roles == ["system", "user", "assistant", "tool", "tool"]


async def test_a_no_is_told_as_the_tools_result(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(TWO[0])
    toolboxes = guarded("lookup")
    leg = recorded(await bench.agent(toolboxes=toolboxes))
    no = [ApprovalDecision(id=leg.calls[0].id, approved=False, reason="too early")]
    result = await bench.agent(toolboxes=toolboxes, leg=leg, verdicts=no)
    assert "Tool call not allowed. Reason: too early" in endpoint.requests[1].tool_result
    assert result.value == "Tool call not allowed. Reason: too early"


async def test_several_legs(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [
        Reply(when=Match(turn=turn), tool_calls=[Call(name="lookup", arguments={"key": str(turn)})])
        for turn in range(3)
    ] + [Reply(text="done")]
    toolboxes = guarded("lookup")
    result = await bench.agent(toolboxes=toolboxes)
    while result.leg:
        leg = recorded(result)
        yes = [ApprovalDecision(id=call.id, approved=True) for call in leg.calls]
        result = await bench.agent(toolboxes=toolboxes, leg=leg, verdicts=yes)
    assert [tool_result.structured["key"] for tool_result in result.tool_results] == ["0", "1", "2"]  # type: ignore[index, call-overload]
    assert (len(endpoint.requests), result.usage.requests) == (4, 4)


async def test_turns_count_over_legs(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(tool_calls=[TWO[0]])]
    toolboxes = guarded("lookup")
    leg = recorded(await bench.agent(toolboxes=toolboxes, max_turns=2))
    yes = [ApprovalDecision(id=leg.calls[0].id, approved=True)]
    leg = recorded(await bench.agent(toolboxes=toolboxes, max_turns=2, leg=leg, verdicts=yes))
    yes = [ApprovalDecision(id=leg.calls[0].id, approved=True)]
    with pytest.raises(Exception, match="no final result after 2 turns"):
        await bench.agent(toolboxes=toolboxes, max_turns=2, leg=leg, verdicts=yes)
    assert len(endpoint.requests) == 2


async def test_a_leg_in_a_repair(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [
        Reply(when=Match(turn=0), tool_calls=[TWO[1]]),
        Reply(when=Match(turn=1), text="a"),
        Reply(when=Match(turn=2), tool_calls=[TWO[0]]),
        Reply(text="done"),
    ]
    schema: dict[str, Any] = {"type": "object"}
    toolboxes = guarded("lookup")
    leg = recorded(await bench.agent(toolboxes=toolboxes, outputs=schema))
    assert (leg.repairs, leg.usage.requests) == (1, 2)
    assert [tool_result.tool_name for tool_result in leg.tool_results] == ["slow"]
    yes = [ApprovalDecision(id=leg.calls[0].id, approved=True)]
    result = await bench.agent(toolboxes=toolboxes, outputs=schema, leg=leg, verdicts=yes)
    assert [tool_result.tool_name for tool_result in result.tool_results] == ["slow", "lookup"]
    assert result.usage.requests == 4


async def test_a_leg_after_a_handoff(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [
        Reply(when=Match(system="I am first"), tool_calls=[Call(name="transfer_to_second")]),
        Reply(when=Match(system="I am second", turn=1), tool_calls=[TWO[0]]),
        Reply(when=Match(system="I am second"), text="done"),
    ]
    agents = [AgentSpec(name=n, personality=Personality(personality=f"I am {n}")) for n in ("first", "second")]
    toolboxes = guarded("lookup")
    leg = recorded(await bench.agent(agents=agents, toolboxes=toolboxes))
    yes = [ApprovalDecision(id=leg.calls[0].id, approved=True)]
    result = await bench.agent(agents=agents, toolboxes=toolboxes, leg=leg, verdicts=yes, capture="response")
    assert result.value == "done"
    assert "I am second" in endpoint.requests[-1].system


async def test_no_secret_in_a_leg(bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "hunter2-long")
    endpoint.rules = calls(Call(name="lookup", arguments={"key": "hunter2-long"}))
    toolboxes = guarded("lookup")
    asked = {"secrets": ["SECRET"], "toolboxes": toolboxes}
    result = await bench.agent("use ⟦env:SECRET:k1⟧", **asked)
    assert "hunter2-long" not in result.model_dump_json()
    leg = recorded(result)
    yes = [ApprovalDecision(id=leg.calls[0].id, approved=True)]
    result = await bench.agent("use ⟦env:SECRET:k1⟧", **asked, leg=leg, verdicts=yes)
    assert "hunter2-long" in endpoint.requests[1].tool_result
    assert "hunter2-long" not in result.model_dump_json()
