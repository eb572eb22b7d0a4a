"""Workers that ask one endpoint keep to its limits together."""

import threading
from bisect import bisect_left

from tests.e2e.conftest import Desk, Scripted
from tests.support.scripted_endpoint import Reply
from tests.support.waiting import until

CONFIG = "models: {limited: some-model}\nlimits: {requests_per_minute: 240}\n"
FLOW = """
model_config: ./models.yaml
taskflow:
  - task: {id: numbers, run: "python3 -c 'print(list(range(40)))'"}
  - task:
      over: outputs.numbers
      async: true
      async_limit: 40
      agents: [./brief.yaml]
      model: limited
      capture: response
      user_prompt: "number {{ result }}"
"""
SECONDS = 5.0


def test_two_workers_keep_to_one_limit(remote: Desk, scripted: Scripted) -> None:
    """40 items, 4 a second; one 429 has both workers wait. `make limits` is the same by the minute."""
    remote.write("models.yaml", CONFIG)
    remote.write("flow.yaml", FLOW)
    endpoint = scripted([Reply(text="$PROMPT", delay=0.5)])

    def refuse() -> None:
        until(lambda: len(endpoint.requests) > 15, 60)
        endpoint.interrupt(Reply(status=429, headers={"retry-after": "3"}, message="slow down"))

    refusing = threading.Thread(target=refuse)
    refusing.start()
    for _ in range(2):
        remote.worker("--task-queue", "limited")
    ended = remote.run("flow.yaml", "--task-queue", "limited", timeout=100)
    refusing.join()
    assert ended.code == 0, ended.err
    starts = sorted(request.start for request in endpoint.requests)
    assert len(starts) == 41
    most = max(bisect_left(starts, start + SECONDS) - index for index, start in enumerate(starts))
    assert most <= 4 * SECONDS + 2
    refused = next(request.end for request in endpoint.requests if request.status == 429)
    after = [start - refused for start in starts if start > refused]
    assert after[0] >= 3
    assert starts[-1] - starts[0] < 3 + 40 / 4 + 10
