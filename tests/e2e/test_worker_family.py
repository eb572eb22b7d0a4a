"""A worker of several processes: each of them is killed in the middle of a run, and `health` says how it stands."""

import os
import signal

import psutil
import pytest

from tests.e2e.conftest import Desk, Scripted, end
from tests.support.scripted_endpoint import Reply
from tests.support.waiting import until

ITEMS, LIMIT = 12, 4
FLOW = f"""
taskflow:
  - task: {{id: items, run: "echo '{list(range(ITEMS))}'"}}
  - task:
      id: each
      over: outputs.items
      async: true
      async_limit: {LIMIT}
      agents: [./brief.yaml]
      capture: response
      heartbeat_timeout: 5s
      user_prompt: "item {{{{ result }}}}"
"""
PROCESSES = 2


def members(worker: int) -> list[psutil.Process]:
    """The one for workflow tasks, then those for activities."""
    return sorted(psutil.Process(worker).children(), key=lambda process: process.pid)


@pytest.mark.parametrize("place", range(1 + PROCESSES), ids=["workflow tasks", "activities 1", "activities 2"])
def test_a_member_is_killed(desk: Desk, scripted: Scripted, place: int) -> None:
    desk.write("brief.yaml", "personality: You are brief.\n")
    desk.write("flow.yaml", FLOW)
    endpoint = scripted([Reply(text="$PROMPT", delay=0.5)])
    worker = desk.worker("--processes", str(PROCESSES))
    before = members(worker.pid)
    assert len(before) == 1 + PROCESSES
    starter = desk.start("flow.yaml", "--json")
    until(lambda: len(endpoint.requests) > LIMIT)
    os.kill(before[place].pid, signal.SIGKILL)
    ended = end(starter)
    assert ended.code == 0, ended.err
    assert [entry["result"] for entry in ended.json["outputs"]["each"]] == [f"item {n}" for n in range(ITEMS)]
    assert len(endpoint.requests) <= ITEMS + LIMIT  # of what had an answer, nothing was asked again
    assert {each["pid"] for each in ended.json["served_by"]} == {worker.pid}
    assert len(members(worker.pid)) == 1 + PROCESSES
    worker.send_signal(signal.SIGTERM)
    told = end(worker)
    assert told.code == 0
    assert "was lost (signal 9); another one begins" in told.err
    until(lambda: not desk.processes())


def test_health(desk: Desk) -> None:
    ended = desk.run("worker", "health")
    assert (ended.code, ended.out) == (1, "no worker of this user serves the embedded server\n")
    worker = desk.worker()
    healthy = desk.run("worker", "health")
    assert (healthy.code, healthy.out) == (0, "a worker of this machine polls task queue taskflow\n")
    other = desk.run("worker", "health", "--task-queue", "other")
    assert other.code == 1
    assert other.out == "no worker of this machine polls task queue other for workflow tasks or activities\n"
    worker.send_signal(signal.SIGTERM)
    end(worker)
