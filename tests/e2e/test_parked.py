"""Parked runs from the terminal: what is told, and how a person goes on."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Desk, Scripted, end
from tests.support.scripted_endpoint import Match, Reply, ScriptedEndpoint

HUNDRED = """
taskflow:
  - task: {id: numbers, run: "python3 -c 'print(list(range(100)))'"}
  - task:
      name: each
      id: each
      must_complete: true
      over: outputs.numbers
      async: true
      async_limit: 20
      agents: [./brief.yaml]
      capture: response
      user_prompt: "number {{ result }}."
  - task: {name: after, run: echo after}
"""
BAD = "number (7|42|99)\\."


def broken() -> list[Reply]:
    return [Reply(when=Match(prompt=BAD), status=400, message="no such thing"), Reply(text="$PROMPT")]


@pytest.fixture
def parked(desk: Desk, scripted: Scripted) -> ScriptedEndpoint:
    """A run `night` of 100 items of which 3 failed for good, and then the cause is mended."""
    desk.write("flow.yaml", HUNDRED)
    endpoint = scripted(broken())
    ended = desk.run("flow.yaml", "--id", "night")
    assert ended.code == 1, ended.err
    assert "97/100 (3 failed)" in ended.out
    assert "python starter.py retry night" in ended.err
    assert "--workflow-id night --name retry" in ended.err
    assert len(endpoint.requests) == 100
    assert [one for one in desk.processes() if "--run" in one.cmdline()] == []
    endpoint.rules = [Reply(text="$PROMPT")]
    return endpoint


def test_three_of_a_hundred(desk: Desk, parked: ScriptedEndpoint) -> None:
    ended = desk.run("retry", "night", "--json")
    assert (ended.code, ended.json["status"]) == (0, "completed"), ended.err
    assert [one["result"] for one in ended.json["outputs"]["each"]] == [f"number {number}." for number in range(100)]
    assert len(parked.requests) == 103


def test_by_temporals_own_signal(desk: Desk, parked: ScriptedEndpoint) -> None:
    worker = desk.worker()
    address = f"127.0.0.1:{json.loads((desk.state / 'server.json').read_text())['port']}"
    assert "parked" in desk.run("list").out
    desk.temporal("workflow", "signal", "-w", "night", "--name", "retry", address=address)
    result = json.loads(desk.temporal("workflow", "result", "-w", "night", "-o", "json", address=address))
    assert result["result"]["status"] == "completed"
    assert len(parked.requests) == 103
    worker.terminate()


def test_looked_at_and_decided(desk: Desk, parked: ScriptedEndpoint) -> None:
    assert desk.run("status", "night", "--json").json["status"] == "parked"
    branches = desk.run("manifest", "night", "--json").json["branches"]
    assert [one["index"] for one in branches if one["status"] == "failed"] == [7, 42, 99]
    (line,) = desk.run("list", "--json").json["runs"]
    assert (line["id"], line["standing"]["state"], line["standing"]["number"]) == ("night", "parked", 2)
    assert line["standing"]["waits"] == ["each failed: 400 no such thing"]
    wrong = desk.run("retry", "night", "--task", "after")
    assert (wrong.code, wrong.err.splitlines()[1:]) == (2, ["error: 'after' is not parked; 'each' is"])
    again = desk.run("resume", "night")
    assert again.code == 1
    assert "python starter.py skip night" in again.err
    skipped = desk.run("skip", "night", "--json")
    assert (skipped.code, skipped.json["status"]) == (4, "completed_with_failures")
    over = desk.run("retry", "night")
    ended = "error: run night has ended (completed with failures); nothing is left to do for it\n"
    assert (over.code, over.err) == (2, ended)
    assert len(parked.requests) == 100


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["retry"], "missing argument 'ID'"),
        (["--resume", "x", "--retry"], "--retry: is now a command: python starter.py retry ID"),
        (["set-output", "x", "{"], "JSON: not JSON"),
    ],
)
def test_words_that_do_not_fit(desk: Desk, words: list[str], says: str) -> None:
    ended = desk.run(*words)
    assert ended.code == 2
    assert says in ended.err
    assert not Path(desk.state).exists()


@pytest.mark.parametrize("words", [["--resume", "nope"], ["status", "nope"], ["pause", "nope"], ["cancel", "nope"]])
def test_no_such_run(desk: Desk, words: list[str]) -> None:
    ended = desk.run(*words)
    assert ended.code == 2
    assert ended.err.startswith("error: there is no ")


def test_pause_and_unpause(desk: Desk, scripted: Scripted) -> None:
    desk.write("flow.yaml", HUNDRED.replace("async_limit: 20", "async_limit: 2"))
    scripted([Reply(text="$PROMPT", delay=0.1)])
    worker = desk.worker()
    starter = desk.start("flow.yaml", "--id", "night", "--json")
    assert starter.stderr
    while "✓ item 3 of" not in (line := starter.stderr.readline()):
        assert line, "the starter ended"
    assert desk.run("pause", "night").code == 0
    report = desk.run("status", "night", "--json").json
    assert (report["paused"], report["status"]) == (True, "paused")
    assert desk.run("unpause", "night").code == 0
    assert end(starter).json["status"] == "completed"
    worker.terminate()
