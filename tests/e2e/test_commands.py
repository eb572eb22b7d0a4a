"""Runs looked at and steered by commands: what goes to stdout, what to stderr, and the exit codes."""

from tests.e2e.conftest import Desk, EndedProcess, Scripted, end
from tests.support.scripted_endpoint import Match, Reply
from tests.support.waiting import gone, until

FLOW = """
taskflow:
  - task: {name: list, id: letters, run: "echo '[1, 2, 3]'"}
  - task:
      name: ask each
      must_complete: true
      over: outputs.letters
      agents: [./brief.yaml]
      capture: response
      user_prompt: "Say {{ result }}."
  - task: {name: hold, run: "echo $$ > held; while [ ! -e go ]; do sleep 0.05; done; echo it is over"}
"""
AGENTS = [
    "ask each, item 1 of 3 (gpt-4.1): done",
    "  ▷ Say 1.",
    "  brief: I say: Say 1.",
    "",
]
KEPT = "runs that have ended are kept for 90 days\n"


def ids(ended: EndedProcess) -> list[str]:
    """Of the runs that are listed."""
    assert (ended.code, ended.err) == (0, "")
    return [line.split()[0] for line in ended.out.splitlines()[1:]]


def refusal(ended: EndedProcess) -> str:
    """What is said of a mistake, in one line."""
    assert (ended.code, ended.out) == (2, "")
    (line,) = ended.err.splitlines()
    return line


def park(desk: Desk, scripted: Scripted) -> None:
    """A run `night` whose third item failed; then the cause is mended."""
    desk.write("flow.yaml", FLOW)
    endpoint = scripted([Reply(when=Match(prompt="Say 3"), status=400, message="no"), Reply(text="I say: $PROMPT")])
    parked = desk.run("-t", "flow.yaml", "--id", "night", "--quiet")
    assert (parked.code, parked.err) == (1, ""), "with --quiet there is the result alone"
    assert parked.out.splitlines()[1].split() == ["task", "status", "branches", "time", "input", "output"]
    assert "\nparked in " in parked.out
    assert "▶" not in parked.out
    endpoint.rules = [Reply(text="I say: $PROMPT")]


def test_a_run_is_parked_found_read_retried_and_cancelled(desk: Desk, scripted: Scripted) -> None:
    park(desk, scripted)
    desk.worker()  # else each command would bring a server along
    is_found(desk)
    is_read(desk)
    is_retried_and_cancelled(desk)


def is_found(desk: Desk) -> None:
    listed = desk.run("list")
    assert (listed.code, listed.err) == (0, f"night waits: ask each failed: 400 no\n{KEPT}")
    for words, found in {
        ("--status", "parked"): ["night"],
        ("--status", "completed"): [],
        ("--name", "flow", "--since", "1h"): ["night"],
        ("--name", 'f"low'): [],
        ("--since", "2100-01-01"): [],
    }.items():
        assert ids(desk.run("list", "--quiet", *words)) == found, words


def is_read(desk: Desk) -> None:
    logs = desk.run("logs", "night", "--task", "ask each", "--item", "1")
    assert (logs.code, logs.out.splitlines(), logs.err) == (0, AGENTS, "")
    told = desk.run("logs", "night", "--json").json
    assert [(one["task"], one["label"], one["status"]) for one in told["branches"]] == [
        ("list", "", "done"),
        *(("ask each", f"item {number} of 3", status) for number, status in enumerate(("done", "done", "failed"), 1)),
    ]
    assert told["branches"][1]["transcript"] == [{"kind": "message", "who": "brief", "text": "I say: Say 1."}]
    assert refusal(desk.run("logs", "night", "--item", "9")) == ("error: run night has no item 9, or has not begun it")
    assert "has no task 'ask'; its tasks: 'list', 'ask each', 'hold'" in refusal(
        desk.run("logs", "night", "--task", "ask")
    )


def is_retried_and_cancelled(desk: Desk) -> None:
    retried = desk.run("retry", "night", "--detach")
    assert (retried.code, retried.out.split()[:2]) == (0, ["run", "night"])
    assert "follow it again: python starter.py resume night" in retried.err
    until(lambda: (desk.folder / "held").exists() and (desk.folder / "held").read_text().strip(), 60)
    assert "3/3 hold" in desk.run("list", "--status", "running").out
    assert refusal(desk.run("skip", "night")) == (
        "error: run night is not parked; to follow it: python starter.py resume night"
    )
    cancelled = desk.run("cancel", "night")
    assert (cancelled.code, cancelled.out, cancelled.err) == (0, "run night is cancelled\n", "")
    until(lambda: gone(int((desk.folder / "held").read_text())))
    assert refusal(desk.run("cancel", "night")) == "error: there is no open run night"
    assert ids(desk.run("list", "--quiet", "--status", "cancelled")) == ["night"]
    assert desk.run("manifest", "night").out.splitlines()[3].split()[:2] == ["ask", "each"]


def test_progress_goes_to_stderr_and_the_summary_to_stdout(desk: Desk) -> None:
    desk.write("flow.yaml", "taskflow:\n  - task: {name: say, run: echo hello}\n")
    ended = end(desk.start("run", "flow.yaml"))
    assert ended.code == 0
    assert all(word in ended.err for word in ("▶ 1/1 say", "hello", "✓ say done"))
    assert [line.split()[:2] for line in ended.out.splitlines()[1:3]] == [["task", "status"], ["say", "done"]]
    assert ended.out.splitlines()[3].startswith("completed in ")
