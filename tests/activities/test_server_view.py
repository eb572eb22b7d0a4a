"""What an agent run sees of its servers: names of tools, approval, errors (specification section 6)."""

import pytest

from grammar.messages.reports import ApprovalDecision
from tests.activities.boxes import box, calls, one_by_one
from tests.activities.conftest import Bench
from tests.support.scripted_endpoint import Call, ScriptedEndpoint

PID = Call(name="pid")


async def test_tools_of_the_same_name(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="one_lookup", arguments={"key": "a"}), PID)
    toolboxes = {**box("--more", name="a.one"), **box(name="b.two")}
    result = await bench.agent(toolboxes=toolboxes, blocked_tools=["die", "fail"])
    tools = endpoint.requests[0].tools
    assert {"one_lookup", "two_lookup", "pid", "remember"} < set(tools)
    assert not {"lookup", "one_die", "two_fail", "die"} & set(tools)
    assert [tool_result.tool_name for tool_result in result.tool_results] == ["one_lookup", "pid"]


@pytest.mark.parametrize("approved", [True, False])
async def test_confirm_waits_for_a_person(bench: Bench, endpoint: ScriptedEndpoint, approved: bool) -> None:
    made = Call(name="one_count", arguments={"path": "/dev/null", "text": "x"})
    endpoint.rules = calls(made)
    toolboxes = {**box(name="a.one", confirm=("count",)), **box(name="b.two")}
    first = await bench.agent(toolboxes=toolboxes)
    assert first.leg
    (call,) = first.leg.calls
    assert (call.tool, call.toolbox) == ("one_count", "a.one")
    decision = ApprovalDecision(id=call.id, approved=approved)
    result = await bench.agent(toolboxes=toolboxes, leg=first.leg, verdicts=[decision])
    assert (result.tool_results[0].text == "counted") is approved


async def test_headless_asks_nobody(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = calls(Call(name="count", arguments={"path": "/dev/null", "text": "x"}))
    assert (await bench.agent(toolboxes=box(confirm=("count",)), headless=True)).leg is None


async def test_an_error_of_the_server_itself_goes_to_the_model(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    endpoint.rules = one_by_one(Call(name="refuse"), PID)
    result = await bench.agent(toolboxes=box("--more"))
    assert len(result.tool_results) == 2
