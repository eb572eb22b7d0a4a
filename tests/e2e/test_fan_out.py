"""Fan-out under a concurrency limit."""

import json
from collections import Counter

from tests.e2e.conftest import Desk, Scripted
from tests.support.dev_server import DevServer
from tests.support.scripted_endpoint import Reply

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
    """50 items, 5 at once, replies of 2 s: never more than 5 in flight, 4.5 on average, results in item order."""
    numbers = list(range(50))
    flow = remote.write("flow.yaml", FLOW % json.dumps(numbers))
    endpoint = scripted([Reply(text="$PROMPT", delay=2)])
    remote.worker()
    ended = remote.run(str(flow), "--json", "--id", str(remote.folder))
    assert ended.code == 0, ended.err
    assert [branch["result"] for branch in ended.json["outputs"]["answers"]] == [f"number {n}" for n in numbers]
    assert (len(endpoint.requests), endpoint.max_in_flight) == (50, 5)
    assert endpoint.mean_in_flight() >= 4.5
    history = json.loads(
        remote.temporal("workflow", "show", "-w", str(remote.folder), "-o", "json", address=dev_server.address)
    )
    told = Counter(event["eventType"].removeprefix("EVENT_TYPE_") for event in history["events"])
    wakes = told.pop("WORKFLOW_TASK_COMPLETED")
    # 50 agents, the script, and a page of prompts for each of the two tasks: nothing else, and nothing twice.
    assert told == {
        **dict.fromkeys(["ACTIVITY_TASK_SCHEDULED", "ACTIVITY_TASK_STARTED", "ACTIVITY_TASK_COMPLETED"], 53),
        **dict.fromkeys(["WORKFLOW_TASK_SCHEDULED", "WORKFLOW_TASK_STARTED"], wakes),
        "WORKFLOW_PROPERTIES_MODIFIED": 3,
        **dict.fromkeys(["WORKFLOW_EXECUTION_STARTED", "WORKFLOW_EXECUTION_COMPLETED"], 1),
        "UPSERT_WORKFLOW_SEARCH_ATTRIBUTES": 1,
    }
    # How many end together depends on the machine (activities/process/completion_batching.py); that each wakes it
    # alone is the worst.
    assert wakes <= 1 + told["ACTIVITY_TASK_COMPLETED"]
