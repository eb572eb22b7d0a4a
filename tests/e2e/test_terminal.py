"""What a person sees in a terminal while a run goes on, and what they say there."""

import re

import pytest

from tests.e2e.conftest import Desk, Scripted, ServedDesk
from tests.e2e.terminal import terminal
from tests.support.scripted_endpoint import Match, Reply

PRICES = "models: {fast: gpt-x}\nprices: {fast: {input: 1000, output: 1000}}\n"
FAN_OUT = """
model_config: ./prices.yaml
taskflow:
  - task: {name: numbers, id: numbers, run: "echo '[1, 2, 3, 4, 5, 6]'"}
  - task:
      name: each
      over: outputs.numbers
      async: true
      async_limit: 3
      model: fast
      agents: [./brief.yaml]
      capture: response
      user_prompt: "number {{ result }}."
"""
PARKED = """
taskflow:
  - task: {name: ask, id: ask, must_complete: true, agents: [./brief.yaml], user_prompt: hi, capture: response}
  - task: {name: after, run: echo it is over}
"""


@pytest.fixture
def fan_out(served: ServedDesk) -> ServedDesk:
    """One of six items fails, and one is told to wait."""
    served.write("prices.yaml", PRICES)
    served.write("flow.yaml", FAN_OUT)
    slow = {"status": 429, "headers": {"retry-after": "8"}, "message": "slow down"}
    served.answer(
        [
            Reply(when=Match(prompt=r"number 2\."), status=400, message="no such thing"),
            Reply(when=Match(prompt=r"number 3\."), times=1, **slow),
            Reply(delay=1, text="It is $PROMPT\nIndeed."),
        ]
    )
    return served


@pytest.mark.parametrize(("width", "height"), [(80, 24), (200, 50)])
def test_a_fan_out_with_a_failure_and_a_rate_limit(fan_out: ServedDesk, width: int, height: int) -> None:
    with terminal(fan_out, "flow.yaml", "--id", fan_out.run_id, width=width, height=height) as screen:
        ended = screen.ended()
    assert ended.code == 4, ended.out
    told, drawn = ended.out, f"── {fan_out.run_id} ─"
    assert drawn in told
    assert re.search(r"▶ 2 each +\d+ s", told)
    assert re.search(r"×─* +\d/6 · \d ok · 1 failed", told)
    assert re.search(r"item 3 +⏸ rate limited, goes on in \d s: 429 slow down", told)
    assert re.search(r"\d+ s · \d+ tokens in, \d+ out · \$0\.0\d+", told)
    blocks = " ".join(told.split())
    assert (
        "✗ each, item 2 of 6: BadRequest 400 no such thing not retried: it would fail again try: see whether" in blocks
    )
    assert "✓ item 4 of 6 brief: It is number 4. Indeed." in blocks
    assert "completed with failures" in told.rpartition(drawn)[2], "the summary stays"
    lines = told.rpartition(drawn)[0].splitlines()
    # A terminal breaks these two by itself: whoever copies the address, or the folder, gets all of it.
    unbroken = re.compile(rf"run {fan_out.run_id}  http://\S+$|(\S+ served by worker \d+ in )?/\S+")
    assert [line for line in lines if len(line) > width and not unbroken.match(line)] == []


def test_the_summary_goes_to_a_file_and_the_questions_stay(served: ServedDesk) -> None:
    served.write("flow.yaml", PARKED)
    served.answer([Reply(status=400, message="no")])
    with terminal(served, "flow.yaml", "--id", served.run_id, out="summary") as screen:
        screen.answer("what now?", "skip")
        ended = screen.ended()
    assert ended.code == 4, ended.out
    assert f"── {served.run_id} ─" in ended.out
    assert "✗ ask failed" in ended.out
    summary = (served.folder / "summary").read_text()
    assert "\x1b" not in summary
    assert [line.split()[:2] for line in summary.splitlines() if line.startswith(("ask", "after"))][-2:] == [
        ["ask", "failed"],
        ["after", "done"],
    ]
    assert "completed with failures in " in summary
    assert "completed with failures in " not in ended.out


def test_without_colour(fan_out: ServedDesk) -> None:
    with terminal(fan_out, "flow.yaml", NO_COLOR="1") as screen:
        assert screen.ended().code == 4
    assert re.search(r"\x1b\[[\d;]*3\dm", screen.said) is None
    assert "── flow-" in screen.text


@pytest.mark.parametrize(("width", "height"), [(20, 4), (3, 1)])
def test_a_terminal_that_is_too_small(fan_out: ServedDesk, width: int, height: int) -> None:
    with terminal(fan_out, "flow.yaml", width=width, height=height) as screen:
        ended = screen.ended()
    assert ended.code == 4, ended.out
    assert "Traceback" not in ended.out


def test_one_that_cannot_be_drawn_on_gets_lines(fan_out: ServedDesk) -> None:
    with terminal(fan_out, "flow.yaml", TERM="dumb") as screen:
        assert screen.ended().code == 4
    assert "\x1b" not in screen.said
    assert re.search(r"^\d\d:\d\d:\d\d ▶ 2/2 each$", screen.text, re.MULTILINE)


def test_a_parked_run_is_retried_at_the_prompt(served: ServedDesk) -> None:
    served.write("flow.yaml", PARKED)
    endpoint = served.answer([Reply(status=401, message="wrong key")])
    with terminal(served, "flow.yaml", "--id", served.run_id) as screen:
        screen.shows("what now?")
        endpoint.rules = [Reply(text="hello")]
        screen.answer("what now?", "r")
        ended = screen.ended()
    assert ended.code == 0, ended.out
    assert "✗ ask: ModelAccess" in ended.out
    assert "python starter.py models FLOW" in ended.out
    assert "ask: retry, by a person" in ended.out
    assert "it is over" in ended.out
    assert f"retry {served.run_id}" not in ended.out


def test_a_parked_run_that_somebody_else_decides_about_is_followed_again(desk: Desk, scripted: Scripted) -> None:
    desk.write("flow.yaml", PARKED)
    scripted([Reply(status=400, message="no")])
    with terminal(desk, "flow.yaml", "--id", "night") as screen:
        screen.shows("what now?")
        assert desk.run("skip", "night", "--quiet").code == 4
        ended = screen.ended()
    assert ended.code == 4, ended.out
    assert "ask: skip, by a person" in ended.out
    assert "it is over" in ended.out


def test_a_parked_run_goes_on_with_a_value(served: ServedDesk) -> None:
    served.write("flow.yaml", PARKED)
    served.answer([Reply(status=400, message="no")])
    with terminal(served, "flow.yaml") as screen:
        screen.answer("what now?", "perhaps")
        screen.answer("what now?", "set output")
        screen.answer("as JSON", "{")
        screen.answer("as JSON", '["a"]')
        ended = screen.ended()
    assert ended.code == 0, ended.out
    assert "not JSON" in ended.out


@pytest.mark.parametrize("words", ["leave\n", "\x03", "\x04"])
def test_a_parked_run_is_left(served: ServedDesk, words: str) -> None:
    served.write("flow.yaml", PARKED)
    served.answer([Reply(status=400, message="no")])
    with terminal(served, "flow.yaml", "--id", served.run_id) as screen:
        screen.answer("what now?", words.rstrip())
        ended = screen.ended()
    assert ended.code == 1, ended.out
    assert f"python starter.py retry {served.run_id}" in " ".join(ended.out.split())
