"""kill -9 between two turns of a model that thinks: its thoughts go back unchanged, signatures and all."""

import signal
import sys

from tests.e2e.conftest import ROOT, Desk, Scripted, end
from tests.support.scripted_endpoint import Call, Match, Reply
from tests.support.waiting import until

FLOW = """
model_config: ./claude.yaml
taskflow:
  - task:
      id: said
      model: thinker
      agents: [./brief.yaml]
      toolboxes: [./box.yaml]
      user_prompt: work
      capture: response
      heartbeat_timeout: 3s
      retry: {initial_interval: 100ms}
"""
CLAUDE = """
backend: anthropic_sdk
models: {thinker: claude-x}
model_settings: {thinker: {reasoning: {effort: high}}}
"""
BOX = f"server_params: {{kind: stdio, command: {sys.executable}, args: [{ROOT}/tests/support/mcp_server.py]}}\n"


def test_thoughts_outlive_a_killed_worker(desk: Desk, scripted: Scripted) -> None:
    for name, text in {"flow.yaml": FLOW, "claude.yaml": CLAUDE, "box.yaml": BOX}.items():
        desk.write(name, text)
    call = Call(name="lookup", arguments={"key": "a"})
    thoughts = [Reply(when=Match(turn=turn), thinking=f"thought {turn}", tool_calls=[call]) for turn in range(2)]
    hanging = Reply(when=Match(turn=2), times=1, hang=True)
    endpoint = scripted([hanging, *thoughts, Reply(text="the end")])
    starter = desk.start("flow.yaml", "--id", "run", "--json")
    until(lambda: len(endpoint.requests) == 3, 60)
    desk.brought_worker().send_signal(signal.SIGKILL)
    ended = end(starter, 90)
    assert (ended.code, ended.json["outputs"]) == (0, {"said": "the end"}), ended.err
    killed, again = endpoint.requests[2:]
    assert again.path == "/v1/messages"
    assert again.messages == killed.messages
    signatures = [block.get("signature") for message in again.messages for block in message["content"]]
    assert list(filter(None, signatures)) == ["signature-0/thou==", "signature-1/thou=="]
    assert ended.json["usage"]["requests"] == 3
