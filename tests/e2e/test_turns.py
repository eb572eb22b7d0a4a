"""kill -9 in the middle of a long agent run: it goes on from the turn it was in."""

import signal
import sys

import pytest

from tests.e2e.conftest import ROOT, Desk, Scripted, end
from tests.support.scripted_endpoint import Call, Match, Reply
from tests.support.waiting import until

TURNS, KILLED = 40, 30
FLOW = """
taskflow:
  - task:
      id: said
      agents: [./brief.yaml]
      toolboxes: [./box.yaml]
      user_prompt: work
      capture: response
      heartbeat_timeout: 3s
      retry: {initial_interval: 100ms}
"""
BOX = f"server_params: {{kind: stdio, command: {sys.executable}, args: [{ROOT}/tests/support/mcp_server.py]}}\n"


@pytest.mark.parametrize("dies", ["worker", "everything"])
def test_an_agent_killed_at_turn_30_of_40_pays_for_one_turn_again(desk: Desk, scripted: Scripted, dies: str) -> None:
    log = desk.folder / "calls"
    desk.write("flow.yaml", FLOW)
    desk.write("box.yaml", BOX)
    calls = [
        Reply(
            when=Match(turn=turn),
            tool_calls=[Call(name="count", arguments={"path": str(log), "text": f"call {turn + 1}"})],
        )
        for turn in range(TURNS - 1)
    ]
    hanging = Reply(when=Match(turn=KILLED - 1), times=1, hang=True)
    endpoint = scripted([hanging, *calls, Reply(text="the end")])
    starter = desk.start("flow.yaml", "--id", "run", "--json")
    until(lambda: len(endpoint.requests) == KILLED, 60)
    if dies == "worker":
        worker = desk.brought_worker()
        worker.send_signal(signal.SIGKILL)
    else:
        desk.kill_all()
        starter = desk.start("flow.yaml", "--id", "run", "--json")
    ended = end(starter, 90)
    assert (ended.code, ended.json["outputs"]) == (0, {"said": "the end"}), ended.err
    assert len(endpoint.requests) == TURNS + 1
    assert log.read_text().splitlines() == [f"call {number}" for number in range(1, TURNS)]
    assert ended.json["usage"]["requests"] == TURNS
