"""kill -9, and nothing is lost or done twice."""

import json
import os
import signal
import subprocess

from tests.e2e.conftest import Desk, Scripted, end
from tests.support.scripted_endpoint import Match, Reply, ScriptedEndpoint
from tests.support.waiting import gone, until

FLOW = """
taskflow:
  - task: {name: first, agents: [./brief.yaml], user_prompt: first}
  - task: {name: list, run: "echo '[1, 2, 3]'"}
  - task:
      name: each
      id: each
      repeat_prompt: true
      async: true
      agents: [./brief.yaml]
      capture: response
      user_prompt: "item {{ result }}"
      heartbeat_timeout: 5s
      retry: {initial_interval: 100ms}
"""

# Items 1 and 2 are answered at once; item 3 hangs until its worker is killed.
RULES = [Reply(when=Match(prompt="item 3"), times=1, hang=True), Reply(text="$PROMPT")]


def asked(endpoint: ScriptedEndpoint) -> list[str]:
    return sorted(one.prompt for one in endpoint.requests)


def until_two_are_done(starter: subprocess.Popen[str]) -> None:
    """Items 1 and 2 are recorded as done; item 3 is being asked."""
    assert starter.stderr
    done = 0
    while done < 2:
        line = starter.stderr.readline()
        assert line, "the starter ended"
        done += "✓ item" in line


EXPECTED = ["first", "item 1", "item 2", "item 3", "item 3"]


def test_worker_killed(remote: Desk, scripted: Scripted) -> None:
    remote.write("flow.yaml", FLOW)
    endpoint = scripted(RULES)
    worker = remote.worker()
    starter = remote.start("flow.yaml", "--json", "--id", str(remote.folder))
    until_two_are_done(starter)
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    remote.worker()
    ended = end(starter)
    assert (ended.code, ended.json["status"]) == (0, "completed"), ended.err
    assert [one["result"] for one in ended.json["outputs"]["each"]] == ["item 1", "item 2", "item 3"]
    assert asked(endpoint) == EXPECTED


def test_own_worker_killed(desk: Desk, scripted: Scripted) -> None:
    """The starter replaces the worker that it brought along."""
    desk.write("flow.yaml", FLOW)
    endpoint = scripted(RULES)
    starter = desk.start("flow.yaml", "--json")
    until_two_are_done(starter)
    worker = desk.brought_worker()
    worker.kill()
    ended = end(starter)
    assert (ended.code, ended.json["status"]) == (0, "completed"), ended.err
    assert asked(endpoint) == EXPECTED


def test_everything_killed_then_joined_by_id(desk: Desk, scripted: Scripted) -> None:
    """Starter, worker, supervisor and embedded server; the same command goes on with the run."""
    desk.write("flow.yaml", FLOW)
    endpoint = scripted(RULES)
    until_two_are_done(desk.start("flow.yaml", "--json", "--id", "nightly"))
    desk.kill_all()
    ended = desk.run("flow.yaml", "--json", "--id", "nightly")
    assert (ended.code, ended.json["status"]) == (0, "completed"), ended.err
    assert asked(endpoint) == EXPECTED


def test_starter_group_killed_then_adopted_by_a_worker(desk: Desk, scripted: Scripted) -> None:
    desk.write("flow.yaml", FLOW)
    endpoint = scripted(RULES)
    starter = desk.start("flow.yaml", "--json", "--id", "nightly")
    until_two_are_done(starter)
    os.killpg(starter.pid, signal.SIGKILL)
    starter.wait()
    desk.worker()
    until(lambda: len(endpoint.requests) == 5, 40)
    assert asked(endpoint) == EXPECTED
    address = f"127.0.0.1:{json.loads((desk.state / 'server.json').read_text())['port']}"
    until(lambda: "COMPLETED" in desk.temporal("workflow", "describe", "-w", "nightly", address=address).upper())


STUBBORN = """
taskflow:
  - task:
      run: |
        setsid bash -c 'trap "" TERM HUP; echo $$ > left; while :; do sleep 600; done' &
        echo $$ > script
        sleep 600
"""


def test_nothing_is_left_of_a_starter_and_its_worker(desk: Desk) -> None:
    desk.write("flow.yaml", STUBBORN)
    starter = desk.start("flow.yaml")
    files = [desk.folder / "left", desk.folder / "script"]
    until(lambda: all(file.exists() and file.read_text().strip() for file in files), 40)
    worker = desk.brought_worker()
    starter.kill()
    worker.kill()
    until(lambda: all(gone(int(file.read_text())) for file in files), 10)
