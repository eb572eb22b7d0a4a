"""Fan-out under a concurrency limit."""

import json

from tests.e2e.conftest import Desk, Scripted
from tests.support.endpoint import Rule
from tests.support.server import DevServer

FLOW = """
taskflow:
  - task: {id: numbers, run: "echo '%s'"}
  - task:
      id: answers
      repeat_prompt: true
      async: true
      async_limit: 5
      agents: [./brief.yaml]
      capture: response
      user_prompt: "number {{ result }}"
"""


def test_the_limit_is_kept_and_used(remote: Desk, dev_server: DevServer, scripted: Scripted) -> None:
    """50 items, 5 at once, replies of 1 s: never more than 5 in flight, 4.5 on average, results in item order."""
    numbers = list(range(50))
    flow = remote.write("flow.yaml", FLOW % json.dumps(numbers))
    endpoint = scripted([Rule(text="$PROMPT", delay=1)])
    remote.worker()
    ended = remote.run(str(flow), "--json", "--id", str(remote.folder))
    assert ended.code == 0, ended.err
    assert [branch["result"] for branch in ended.json["outputs"]["answers"]] == [f"number {n}" for n in numbers]
    assert (len(endpoint.requests), endpoint.max_in_flight) == (50, 5)
    assert endpoint.mean_in_flight() >= 4.5
    history = json.loads(
        remote.temporal("workflow", "show", "-w", str(remote.folder), "-o", "json", address=dev_server.address)
    )
    # 3 for each activity; the rest is what waking the workflow costs.
    assert len(history["events"]) / 50 < 5.5
