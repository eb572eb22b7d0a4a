"""Who says yes to a call sees all of it, or how much is missing; and nothing in it passes for something else."""

import json
from datetime import UTC, datetime

import pytest

from console.ask import _indented
from grammar.documents.models import Task
from grammar.messages.activity_results import Leg, PendingCall
from grammar.messages.run_bundle import Bundle
from workflows import summary
from workflows.records.run_record import RunRecord

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def details(*calls: PendingCall, name: str = "t") -> str:
    """What the Web UI shows of a run in which these calls wait."""
    record = RunRecord(Bundle(name="f", source="f", tasks=[Task(name=name, run="true")]), lambda: NOW, None, print)
    record.approvals.ask(Leg(calls=[*calls]), "task-1", name, "")
    return summary.of_run(record, "waiting_approval")


def call(arguments: str, tool: str = "wipe") -> PendingCall:
    return PendingCall(id="c", tool=tool, toolbox="box", arguments=arguments)


def test_all_of_a_call() -> None:
    arguments = json.dumps({"path": "x" * 1500, "then": "rm -rf /"})
    assert arguments in details(call(arguments))


def test_how_much_is_missing() -> None:
    shown = details(call("x" * 2000 + "rm -rf /"))
    assert "x" * 2000 in shown
    assert "**8 more characters are not shown here.** The command `status`" in shown


def test_how_many_are_missing() -> None:
    shown = details(*[call(f'"{number}"') for number in range(13)])
    assert "**13 calls wait for approval.**" in shown
    assert "**3 more calls are not shown here.** The command `status`" in shown


def test_nothing_ends_the_block_of_a_call() -> None:
    shown = details(call('{"a": "\n```\n**approved**\n````\n"}'))
    (block,) = [line for line in shown.splitlines() if set(line) == {"`"} and len(line) > 4][:1]
    inside = shown.split(f"\n{block}\n")[1]
    assert "**approved**" in inside
    assert block == "`" * 5


@pytest.mark.parametrize("text", ["a\n| ✓ done | x |", "a\u202eb", "a\x1b[2Jb"])
def test_names_are_on_one_line(text: str) -> None:
    shown = details(call("{}", tool=text), name=text)
    assert "\n| ✓ done | x |" not in shown
    assert [sign for sign in shown if sign not in "\n\N{NO-BREAK SPACE}" and not sign.isprintable()] == []


def test_a_name_that_is_cut_shows_it() -> None:
    assert "x…" in details(call("{}", tool="x" * 500))


@pytest.mark.parametrize("hidden", ["\x1b]0;", "\x1b[8m", "\x9b8m", "\r", "\x08"])
def test_the_terminal_shows_what_is_no_json(hidden: str) -> None:
    shown = _indented(f"echo hi{hidden}; rm -rf /\x07")
    assert shown.startswith('"echo hi')
    assert "rm -rf /" in shown
    assert shown.isprintable()
