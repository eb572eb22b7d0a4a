"""What env() returns reaches the model and the toolbox, and is written down nowhere."""

import sys

from tests.e2e.conftest import ROOT, Desk, Scripted
from tests.support.scripted_endpoint import Call, Match, Reply

SECRET = "hunter2-in-the-dark"

FLOW = """
taskflow:
  - task:
      id: seen
      env: {TOKEN: "Bearer {{ env('THE_SECRET') }}"}
      agents: [./brief.yaml]
      toolboxes: [./box.yaml]
      user_prompt: "log in with {{ env('THE_SECRET') }} {{ env('TOKEN') }}"
  - task:
      env: {TOKEN: "{{ env('THE_SECRET') }}"}
      run: echo "shell has $TOKEN"
  - task:
      agents: [./brief.yaml]
      user_prompt: "it was {{ outputs.seen }}"
  - task:
      env: {TOKEN: "{{ env('THE_SECRET') }}"}
      run: echo "failed with $TOKEN" >&2; exit 1
"""

BOX = f"""
server_params:
  kind: stdio
  command: {sys.executable}
  args: ["{ROOT}/tests/support/mcp_server.py"]
  env: {{BOX_SECRET: "{{{{ env('THE_SECRET') }}}}"}}
"""


def test_a_secret_is_used_and_never_recorded(desk: Desk, scripted: Scripted) -> None:
    desk.write("flow.yaml", FLOW)
    desk.write("box.yaml", BOX)
    endpoint = scripted(
        [
            Reply(
                when=Match(turn=0, prompt="log in"),
                tool_calls=[Call(name="environ", arguments={"name": "BOX_SECRET"})],
            ),
            Reply(text="I was told $PROMPT"),
        ]
    )
    ended = desk.run("flow.yaml", "--json", "--id", "secret", THE_SECRET=SECRET)
    assert ended.code == 4, ended.err
    first, second, third = endpoint.requests
    assert first.prompt == f"log in with {SECRET} Bearer {SECRET}"
    assert SECRET in second.tool_result
    assert third.prompt == f"it was {SECRET}"
    assert "⟦env:THE_SECRET⟧" in ended.err
    told = (ended.out + ended.err).encode()
    written = [path.read_bytes() for path in desk.state.rglob("*") if path.is_file()]
    assert len(written) > 3
    assert not [text for text in [told, *written] if SECRET.encode() in text or b"key-of-the-tests" in text]
