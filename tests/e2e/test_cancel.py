"""Cancelled, from the terminal or by Temporal's own command: all of it stops, and what was done is kept."""

import json
import signal
import subprocess
import sys
import time

import pytest

from tests.e2e.conftest import ROOT, Desk, Scripted, end
from tests.support.scripted_endpoint import Call, Match, Reply
from tests.support.waiting import gone, until

FLOW = """
taskflow:
  - task: {id: first, run: "echo '[1, 2, 3]'"}
  - task: {id: over, over: outputs.first, async: true, agents: [./brief.yaml], toolboxes: [./box.yaml],
           user_prompt: "{{ result }}"}
"""
SHELL = """
taskflow:
  - task: {id: first, run: "echo '[1]'"}
  - task: {run: "sleep 300 & echo $! > child; sleep 300"}
"""
BOX = """
server_params:
  kind: stdio
  command: {python}
  args: [{root}/tests/support/mcp_server.py, --starts, {starts}]
"""


@pytest.mark.parametrize("by", ["signal", "temporal"])
def test_agents_and_their_servers_stop(desk: Desk, scripted: Scripted, by: str) -> None:
    desk.write("flow.yaml", FLOW)
    desk.write("box.yaml", BOX.format(python=sys.executable, root=ROOT, starts=desk.folder / "starts"))
    endpoint = scripted([Reply(when=Match(turn=0), tool_calls=[Call(name="slow", arguments={"seconds": 300})])])
    starter = desk.start("flow.yaml", "--id", "run", "--json")
    until(lambda: len(endpoint.requests) == 3, 40)
    begin = time.monotonic()
    cancel(desk, starter, by)
    ended = end(starter)
    assert time.monotonic() - begin < 15  # 5 s on an idle machine
    assert (ended.code, ended.json["status"], ended.json["outputs"]) == (130, "cancelled", {"first": [1, 2, 3]})
    servers = [int(line) for line in (desk.folder / "starts").read_text().split()]
    assert len(servers) == 3
    until(lambda: all(map(gone, servers)))
    until(lambda: not desk.processes())


def test_a_scripts_whole_process_group_stops(desk: Desk) -> None:
    desk.write("flow.yaml", SHELL)
    starter = desk.start("flow.yaml", "--id", "run", "--json")
    until(lambda: (desk.folder / "child").exists() and (desk.folder / "child").read_text().strip(), 40)
    cancel(desk, starter, "signal")
    ended = end(starter)
    assert (ended.code, ended.json["status"]) == (130, "cancelled")
    until(lambda: gone(int((desk.folder / "child").read_text())))


def cancel(desk: Desk, starter: subprocess.Popen[str], by: str) -> None:
    if by == "signal":
        starter.send_signal(signal.SIGINT)
        return
    port = json.loads((desk.state / "server.json").read_text())["port"]
    desk.temporal("workflow", "cancel", "-w", "run", address=f"127.0.0.1:{port}")
