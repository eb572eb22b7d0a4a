"""Calls that wait for a person: asked at the terminal, answered from elsewhere, outliving every process."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.conftest import ROOT, Desk, Scripted, ServedDesk, end
from tests.e2e.terminal import terminal
from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint
from tests.support.waiting import gone, until

SERVER = ROOT / "tests/support/mcp_server.py"
FLOW = """
taskflow:
  - task:
      name: careful
      id: careful
      agents: [./brief.yaml]
      toolboxes: [./box.yaml]
      capture: response
      user_prompt: Count twice.%s
"""
# One model request for each turn, however often the run is interrupted.
REQUESTS = 3
FIRST, SECOND = "task-1-call-1", "task-1-call-2"


@pytest.fixture
def endpoint(desk: Desk, scripted: Scripted) -> ScriptedEndpoint:
    """At a desk where nothing runs yet."""
    return scripted(lay(desk))


@pytest.fixture
def answers(served: ServedDesk) -> ScriptedEndpoint:
    """At a desk that is served."""
    return served.answer(lay(served))


def lay(desk: Desk) -> list[Reply]:
    """A flow whose agent counts twice, each time after a person's yes; what its model says."""
    box = {
        "kind": "stdio",
        "command": sys.executable,
        "args": [str(SERVER), "--starts", str(desk.folder / "starts")],
        "env": {"PYTHONPATH": str(ROOT)},
    }
    desk.write("box.yaml", json.dumps({"server_params": box, "confirm": ["count"]}))
    desk.write("flow.yaml", FLOW % "")
    counting = [
        Reply(
            when=Match(turn=turn), tool_calls=[Call(name="count", arguments={"path": str(tally(desk)), "text": text})]
        )
        for turn, text in enumerate(("one", "two"))
    ]
    return [*counting, Reply(text="counted")]


def tally(desk: Desk) -> Path:
    """The file that the tool writes to."""
    return desk.folder / "tally"


def counted(desk: Desk) -> list[str]:
    """A line for each call that was made."""
    return tally(desk).read_text().split() if tally(desk).exists() else []


def command_told(starter: "subprocess.Popen[str]", call: str) -> str:
    """The command that the starter prints for the call; the story is on stderr."""
    assert starter.stderr
    while True:
        line = starter.stderr.readline()
        assert line, "the starter ended"
        if "answer with: " in line and call in line:
            return line.partition("answer with: ")[2].strip()


def shell(desk: Desk, command: str) -> str:
    """What the printed command says, typed where the project is."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        command, shell=True, check=True, cwd=ROOT, capture_output=True, text=True, timeout=60,
        env=desk.env | {"PATH": path},
    )  # fmt: skip
    return done.stdout


def told_the_agent(endpoint: ScriptedEndpoint) -> list[list[str]]:
    """The roles of each request's messages: what the agent remembers."""
    return [[message["role"] for message in asked.messages] for asked in endpoint.requests]


WHOLE = [["system", "user"] + ["assistant", "tool"] * turn for turn in range(REQUESTS)]


def test_the_printed_command_answers(served: ServedDesk, answers: ScriptedEndpoint) -> None:
    starter = served.start("flow.yaml", "--id", "it's mine", "--json")
    for number, call in enumerate((FIRST, SECOND), 1):
        command = command_told(starter, call)
        assert command == f"python starter.py approve 'it'\"'\"'s mine' {call}"
        assert len(counted(served)) == number - 1
        told = shell(served, command)
        assert told == f"run it's mine: {call}, a call of count, is approved\n"
    ended = end(starter)
    assert (ended.code, ended.json["outputs"]) == (0, {"careful": "counted"}), ended.err
    assert counted(served) == ["one", "two"]
    assert told_the_agent(answers) == WHOLE


def test_a_tool_is_approved_from_elsewhere_and_nobody_is_asked_again(
    served: ServedDesk, answers: ScriptedEndpoint
) -> None:
    starter = served.start("flow.yaml", "--id", served.run_id, "--json")
    command = command_told(starter, FIRST)
    shell(served, f"{command} --always")
    ended = end(starter)
    assert (ended.code, ended.json["outputs"]) == (0, {"careful": "counted"}), ended.err
    assert "answer with: " not in ended.err
    assert counted(served) == ["one", "two"]
    assert told_the_agent(answers) == WHOLE


def test_a_no_with_its_reason_reaches_the_agent(served: ServedDesk, answers: ScriptedEndpoint) -> None:
    starter = served.start("flow.yaml", "--id", served.run_id, "--json")
    command_told(starter, FIRST)
    rejected = served.run("reject", served.run_id, "--reason", "not on a Sunday", "--json")
    assert rejected.json == {"run_id": served.run_id, "call": FIRST, "answer": "rejected", "exit_code": 0}
    command_told(starter, SECOND)
    again = served.run("approve", served.run_id, FIRST)
    assert (again.code, again.out) == (2, "")
    assert again.err == f"error: no call {FIRST} of run {served.run_id} waits for an answer; open: {SECOND} (count)\n"
    update = ("workflow", "update", "execute", "-w", served.run_id, "--name")
    with pytest.raises(subprocess.CalledProcessError) as refused:
        served.temporal(*update, "approve", "--input", json.dumps(FIRST), address=served.address)
    assert f"no call '{FIRST}' waits for approval (open: {SECOND})" in refused.value.stderr
    served.temporal(*update, "approve", "--input", json.dumps(SECOND), address=served.address)
    ended = end(starter)
    assert served.run("approve", served.run_id).err == f"error: no call of run {served.run_id} waits for an answer\n"
    assert (ended.code, ended.json["status"]) == (0, "completed"), ended.err
    assert answers.requests[1].tool_result == "Tool call not allowed. Reason: not on a Sunday"
    assert counted(served) == ["two"]
    assert told_the_agent(answers) == WHOLE


def test_the_wait_holds_no_process_and_no_activity(served: ServedDesk, answers: ScriptedEndpoint) -> None:
    starter = served.start("flow.yaml", "--id", served.run_id, "--json")
    command = command_told(starter, FIRST)
    (server,) = map(int, (served.folder / "starts").read_text().split())
    until(lambda: gone(server))
    described = json.loads(
        served.temporal("workflow", "describe", "-w", served.run_id, "-o", "json", address=served.address)
    )
    assert described.get("pendingActivities", []) == []
    assert served.listed(served.run_id)["standing"]["state"] == "waiting_approval"
    assert FIRST in served.run("status", served.run_id).out
    shell(served, command)
    shell(served, command_told(starter, SECOND))
    assert end(starter).code == 0
    assert len((served.folder / "starts").read_text().split()) == 3


def test_the_wait_outlives_everything(desk: Desk, endpoint: ScriptedEndpoint) -> None:
    """Starter, worker, supervisor and server are killed at each of the two waits."""
    starting = ("flow.yaml", "--id", "night", "--json")
    command_told(desk.start(*starting), FIRST)
    desk.kill_all()
    starter = desk.start(*starting)
    shell(desk, command_told(starter, FIRST))
    command_told(starter, SECOND)
    desk.kill_all()
    assert (counted(desk), len(endpoint.requests)) == (["one"], 2)
    answered = desk.run("approve", "night")
    assert (answered.code, answered.out) == (0, f"run night: {SECOND}, a call of count, is approved\n")
    assert answered.err == "no worker serves the run; to go on with it: python starter.py resume night\n"
    ended = desk.run("resume", "night", "--json")
    assert (ended.code, ended.json["outputs"]) == (0, {"careful": "counted"}), ended.err
    assert counted(desk) == ["one", "two"]
    assert told_the_agent(endpoint) == WHOLE
    assert ended.json["usage"]["requests"] == REQUESTS


def test_a_headless_task_asks_nobody(served: ServedDesk, answers: ScriptedEndpoint) -> None:
    served.write("flow.yaml", FLOW % "\n      headless: true")
    ended = served.run("flow.yaml", "--json")
    assert (ended.code, ended.json["status"]) == (0, "completed"), ended.err
    assert "approval" not in ended.err
    assert counted(served) == ["one", "two"]
    assert told_the_agent(answers) == WHOLE


def test_asked_at_the_terminal(served: ServedDesk, answers: ScriptedEndpoint) -> None:
    with terminal(served, "flow.yaml") as screen:
        screen.answer("allow it?", "perhaps")
        screen.answer("allow it?", "no")
        screen.answer("why not", "too early")
        screen.answer("allow it?", "yes")
        ended = screen.ended()
    assert ended.code == 0, ended.out
    assert "careful: the agent wants to call count of box.yaml with" in ended.out
    assert "answer with: " not in ended.out
    assert answers.requests[1].tool_result == "Tool call not allowed. Reason: too early"
    assert counted(served) == ["two"]
    assert told_the_agent(answers) == WHOLE


@pytest.mark.parametrize(("words", "code"), [("cancel", 130), ("\x04", 0)])
def test_who_is_asked_may_leave(served: ServedDesk, answers: ScriptedEndpoint, words: str, code: int) -> None:
    with terminal(served, "flow.yaml", "--id", served.run_id) as screen:
        screen.answer("allow it?", words)
        assert screen.ended().code == code
        assert counted(served) == []
    assert len(answers.requests) == 1


def test_asked_again_where_nobody_answered(served: ServedDesk, answers: ScriptedEndpoint) -> None:
    with terminal(served, "flow.yaml", "--id", served.run_id) as screen:
        screen.answer("allow it?", "detach")
        assert screen.ended().code == 0
        with terminal(served, "flow.yaml", "--id", served.run_id) as again:
            again.answer("allow it?", "yes")
            until(lambda: again.text.count("the agent wants to call") == 2, 40)
            again.type("yes\n")
            assert again.ended().code == 0
    assert counted(served) == ["one", "two"]
    assert told_the_agent(answers) == WHOLE


def test_always_is_for_each_other_call_of_the_tool(served: ServedDesk, answers: ScriptedEndpoint) -> None:
    with terminal(served, "flow.yaml") as screen:
        screen.answer("allow it?", "a")
        ended = screen.ended()
    assert ended.code == 0, ended.out
    assert ended.out.count("the agent wants to call") == 1
    assert '"text": "one"' in ended.out, "the arguments are laid out for people"
    assert counted(served) == ["one", "two"]
    assert told_the_agent(answers) == WHOLE


def test_what_is_typed_before_the_question_is_no_answer(served: ServedDesk, answers: ScriptedEndpoint) -> None:
    with terminal(served, "flow.yaml") as screen:
        until(lambda: not screen.echoes, 40)
        screen.type("yes\nyes\n")
        screen.answer("allow it?", "no")
        screen.answer("why not", "")
        screen.answer("allow it?", "yes")
        ended = screen.ended()
        assert screen.echoes
    assert ended.code == 0, ended.out
    assert counted(served) == ["two"]
