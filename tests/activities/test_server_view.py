"""What an agent run sees of its servers: names of tools, approval, errors (specification section 6)."""

import pytest

from grammar.documents.models import Personality
from grammar.messages.activity_requests import AgentSpec
from grammar.messages.reports import ApprovalDecision
from tests.activities.boxes import calls, one_by_one, shared_box
from tests.activities.conftest import Bench
from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint

PID = Call(name="pid")


async def test_tools_of_the_same_name(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="one_lookup", arguments={"key": "a"}), PID)
    toolboxes = {**shared_box("--more", name="a.one"), **shared_box(name="b.two")}
    result = await bench.agent(toolboxes=toolboxes, blocked_tools=["die", "fail"])
    tools = endpoint.requests[0].tools
    assert {"one_lookup", "two_lookup", "pid", "remember"} < set(tools)
    assert not {"lookup", "one_die", "two_fail", "die"} & set(tools)
    assert [tool_result.tool_name for tool_result in result.tool_results] == ["one_lookup", "pid"]


@pytest.mark.parametrize("approved", [True, False])
async def test_confirm_waits_for_a_person(bench: Bench, endpoint: ScriptedEndpoint, approved: bool) -> None:
    made = Call(name="one_count", arguments={"path": "/dev/null", "text": "x"})
    endpoint.rules = calls(made)
    toolboxes = {**shared_box(name="a.one", confirm=("count",)), **shared_box(name="b.two")}
    first = await bench.agent(toolboxes=toolboxes)
    assert first.leg
    (call,) = first.leg.calls
    assert (call.tool, call.toolbox) == ("one_count", "a.one")
    decision = ApprovalDecision(id=call.id, approved=approved)
    result = await bench.agent(toolboxes=toolboxes, leg=first.leg, verdicts=[decision])
    assert (result.tool_results[0].text == "counted") is approved


async def test_the_names_that_the_model_sees_can_be_written_too(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="notes_paint"))
    toolboxes = shared_box("--more", confirm=("notes_paint",))
    result = await bench.agent(toolboxes=toolboxes, blocked_tools=["notes_hide", "box_die"])
    assert not {"notes_hide", "die"} & set(endpoint.requests[0].tools)
    assert result.leg
    assert [call.tool for call in result.leg.calls] == ["notes/paint"]


@pytest.mark.parametrize("approved", [True, False])
async def test_names_that_model_apis_refuse(bench: Bench, endpoint: ScriptedEndpoint, approved: bool) -> None:
    endpoint.rules = one_by_one(Call(name="notes_weigh"), Call(name="notes_paint"))
    toolboxes = shared_box("--more", confirm=("notes/paint",))
    first = await bench.agent(toolboxes=toolboxes, blocked_tools=["notes.hide"])
    assert {"notes_weigh", "notes_paint"} < set(endpoint.requests[0].tools)
    assert "notes_hide" not in endpoint.requests[0].tools
    assert first.leg
    (call,) = first.leg.calls
    assert call.tool == "notes/paint"
    decision = ApprovalDecision(id=call.id, approved=approved)
    result = await bench.agent(toolboxes=toolboxes, leg=first.leg, verdicts=[decision])
    assert [given.tool_name for given in result.tool_results] == ["notes.weigh", "notes/paint"]
    assert "notes.weigh({})" in [entry.text for entry in first.said]


async def test_a_tool_that_has_the_name_of_a_handoff(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = [Reply(when=Match(system="I am a/x"), tool_calls=[Call(name="transfer_to_b_x")]), Reply(text="b")]
    agents = [AgentSpec(name=n, personality=Personality(personality=f"I am {n}")) for n in ("a/x", "b/x", "审查")]
    result = await bench.agent(agents=agents, toolboxes=shared_box("--more"), capture="response")
    tools = endpoint.requests[0].tools
    assert {"transfer_to_b_x", "transfer_to_b_x_2", "transfer_to___"} < set(tools)
    assert len(tools) == len(set(tools))
    assert "I am b/x" in endpoint.requests[1].system
    assert ("handoff", "a/x") in [(entry.kind, entry.who) for entry in result.said]


async def test_headless_asks_nobody(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="count", arguments={"path": "/dev/null", "text": "x"}))
    assert (await bench.agent(toolboxes=shared_box(confirm=("count",)), headless=True)).leg is None


async def test_an_error_of_the_server_itself_goes_to_the_model(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = one_by_one(Call(name="refuse"), PID)
    result = await bench.agent(toolboxes=shared_box("--more"))
    assert len(result.tool_results) == 2
