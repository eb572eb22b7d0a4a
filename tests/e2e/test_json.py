"""`--json`: one JSON document on stdout, whatever becomes of the run, and no control codes anywhere."""

import json
import signal
from typing import Any

import pytest

from tests.e2e.conftest import EndedProcess, ServedDesk, end
from tests.support.scripted_endpoint import Reply
from tests.support.waiting import until

AGENT = "{name: ask, id: ask, agents: [./brief.yaml], user_prompt: hi, capture: response%s}"
FLOWS = {
    "ok": AGENT % "",
    "failures": AGENT % "",
    "parked": AGENT % ", must_complete: true",
    "failed": AGENT % ", must_complete: true, on_failure: fail",
    "cancelled": '{name: held, run: "touch held; sleep 300"}',
    "detached": "{name: quick, run: echo hi}",
    "dry run": AGENT % "",
    "no server": "{name: quick, run: echo hi}",
    "bad input": "{name: quick, run: echo hi, async_limit: five}",
    "bad words": "{name: quick, run: echo hi}",
    "a value is missing": "{name: quick, run: echo hi}",
}
WORDS = {
    "detached": ["--detach"],
    "dry run": ["--dry-run"],
    "bad words": ["--nope"],
    "a value is missing": ["--id"],
}
STATUS = {
    "ok": ("completed", 0),
    "failures": ("completed_with_failures", 4),
    "parked": ("parked", 1),
    "failed": ("failed", 1),
    "cancelled": ("cancelled", 130),
    "detached": ("running", 0),
    "dry run": ("completed", 0),
}
BAD_INPUT = ("bad_input", 2)
# What makes programs write colours where nobody asked for them.
FORCED = {"FORCE_COLOR": "1", "CLICOLOR_FORCE": "1", "TTY_COMPATIBLE": "1", "TTY_INTERACTIVE": "1"}


def run(served: ServedDesk, outcome: str) -> EndedProcess:
    served.write("flow.yaml", f"taskflow:\n  - task: {FLOWS[outcome]}\n")
    env = FORCED | ({"TEMPORAL_ADDRESS": "127.0.0.1:1"} if outcome == "no server" else {})
    starter = served.start("flow.yaml", "--json", *WORDS.get(outcome, ()), **env)
    if outcome == "cancelled":
        until(lambda: (served.folder / "held").exists(), 40)
        starter.send_signal(signal.SIGINT)
    return end(starter)


@pytest.mark.parametrize("outcome", FLOWS)
def test_one_document(served: ServedDesk, serving: ServedDesk, outcome: str) -> None:
    bad = outcome in ("failures", "parked", "failed")
    served.answer([Reply(status=400, message="\x1b[31mno")] if bad else [Reply(text="\x1b[31mred\x1b[0m")])
    ended = run(served, outcome)
    told: dict[str, Any] = json.loads(ended.out)
    expected = STATUS.get(outcome, BAD_INPUT)
    assert (told["status"], told["exit_code"], ended.code) == (*expected, expected[1]), told
    assert ("message" in told) is (expected == BAD_INPUT)
    assert told.get("message") != ""
    if expected != BAD_INPUT:
        assert [worker["folder"] for worker in told["served_by"]] == [str(serving.folder)]
    assert "\x1b" not in ended.out + ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize("outcome", ["ok", "failures", "parked", "dry run", "bad input"])
def test_lines_for_people_have_no_control_codes_either(served: ServedDesk, outcome: str) -> None:
    status = 200 if outcome == "ok" else 400
    served.answer([Reply(status=status, message="\x1b[31mno", text="\x1b[31mred\x1b[0m")])
    served.write("flow.yaml", f"taskflow:\n  - task: {FLOWS[outcome]}\n")
    ended = end(served.start("flow.yaml", *WORDS.get(outcome, ()), **FORCED))
    assert ended.code == STATUS.get(outcome, BAD_INPUT)[1]
    assert "\x1b" not in ended.out + ended.err
    assert ("red" in ended.err) is (outcome == "ok")
