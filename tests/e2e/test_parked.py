"""Parked runs from the terminal: what is told, and how a person goes on."""

import json
from pathlib import Path

import pytest

from tests.e2e.conftest import Desk, Scripted, ServedDesk, end
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


def park(desk: Desk, endpoint: ScriptedEndpoint, run_id: str) -> ScriptedEndpoint:
    """A run of 100 items of which 3 failed for good, and then the cause is mended."""
    desk.write("flow.yaml", HUNDRED)
    ended = desk.run("flow.yaml", "--id", run_id)
    assert ended.code == 1, ended.err
    assert "97/100 (3 failed)" in ended.out
    assert f"python starter.py retry {run_id}" in ended.err
    assert f"--workflow-id {run_id} --name retry" in ended.err
    assert len(endpoint.requests) == 100
    endpoint.rules = [Reply(text="$PROMPT")]
    return endpoint


def test_three_of_a_hundred(desk: Desk, scripted: Scripted) -> None:
    """Nothing runs while the run waits: each command brings a server and a worker of its own."""
    parked = park(desk, scripted(broken()), "night")
    assert [one for one in desk.processes() if "--run" in one.cmdline()] == []
    assert desk.run("status", "night", "--json").json["status"] == "parked"
    ended = desk.run("retry", "night", "--json")
    assert (ended.code, ended.json["status"]) == (0, "completed"), ended.err
    assert [one["result"] for one in ended.json["outputs"]["each"]] == [f"number {number}." for number in range(100)]
    assert len(parked.requests) == 103


def test_by_temporals_own_signal(served: ServedDesk) -> None:
    night = served.run_id
    parked = park(served, served.answer(broken()), night)
    assert "parked" in served.run("list").out
    served.temporal("workflow", "signal", "-w", night, "--name", "retry", address=served.address)
    result = json.loads(served.temporal("workflow", "result", "-w", night, "-o", "json", address=served.address))
    assert result["result"]["status"] == "completed"
    assert len(parked.requests) == 103


def test_looked_at_and_decided(served: ServedDesk) -> None:
    night = served.run_id
    parked = park(served, served.answer(broken()), night)
    assert served.run("status", night, "--json").json["status"] == "parked"
    branches = served.run("manifest", night, "--json").json["branches"]
    assert [one["index"] for one in branches if one["status"] == "failed"] == [7, 42, 99]
    line = served.listed(night)
    assert (line["id"], line["standing"]["state"], line["standing"]["number"]) == (night, "parked", 2)
    assert line["standing"]["waits"] == ["each failed: 400 no such thing"]
    wrong = served.run("retry", night, "--task", "after")
    assert (wrong.code, wrong.err.splitlines()[2:]) == (2, ["error: 'after' is not parked; 'each' is"])
    again = served.run("resume", night)
    assert again.code == 1
    assert f"python starter.py skip {night}" in again.err
    skipped = served.run("skip", night, "--json")
    assert (skipped.code, skipped.json["status"]) == (4, "completed_with_failures")
    over = served.run("retry", night)
    ended = f"error: run {night} has ended (completed with failures); nothing is left to do for it\n"
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
def test_no_such_run(served: ServedDesk, words: list[str]) -> None:
    ended = served.run(*words)
    assert ended.code == 2
    assert ended.err.startswith("error: there is no ")


def test_pause_and_unpause(served: ServedDesk) -> None:
    served.write("flow.yaml", HUNDRED.replace("async_limit: 20", "async_limit: 2"))
    served.answer([Reply(text="$PROMPT", delay=0.1)])
    night = served.run_id
    starter = served.start("flow.yaml", "--id", night, "--json")
    assert starter.stderr
    while "✓ item 3 of" not in (line := starter.stderr.readline()):
        assert line, "the starter ended"
    assert served.run("pause", night).code == 0
    report = served.run("status", night, "--json").json
    assert (report["paused"], report["status"]) == (True, "paused")
    assert served.run("unpause", night).code == 0
    assert end(starter).json["status"] == "completed"
