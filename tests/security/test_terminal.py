"""No name, id or text of a file, a server or another person steers the terminal, or makes up a line of its own."""

import asyncio
import json
import logging
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Group
from rich.prompt import Prompt
from rich.table import Table
from rich.text import Text

from commands.graph import graph
from console import ask, run_tables, transcript
from console.event_formatter import EventFormatter
from console.problems import print_json, print_problems
from console.run_display import RunDisplay
from console.run_summary import print_summary
from console.screen import open_screen
from grammar.documents.models import Task
from grammar.errors import UserError
from grammar.messages.activity_results import TranscriptEntry
from grammar.messages.events import PendingActivity, RunEvent
from grammar.messages.reports import Approval, Failure, Parked, RunLine, RunOverview, RunReport, TaskReport
from grammar.messages.run_bundle import Bundle
from runtime import logs

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CODES = "\x1b[2J\x1b]0;title\x07\x9b31m\x9d0;x\x9c\x08\x7f\u202e\u2066\x00"
MEAN = f"a{CODES}b"
LINE = "a\n✓ all done\r✓ all done"


def assert_plain(written: str) -> None:
    """Nothing in it steers a terminal."""
    assert written.strip()
    assert [sign for sign in written if sign != "\n" and not sign.isprintable()] == []


PRINTED: dict[str, object] = {
    "text": Text(MEAN),
    "words": MEAN,
    "styled": Text(MEAN, "bold red"),
    "torn apart": Text.assemble("\x1b", ("[2J", "red"), "\x9b", "2J"),
}


@pytest.mark.parametrize("printed", PRINTED.values(), ids=PRINTED)
def test_nothing_that_is_printed_steers_the_terminal(printed: object, capsys: pytest.CaptureFixture[str]) -> None:
    screen = open_screen()
    table = Table(MEAN)
    table.add_row(MEAN)
    for console in (screen.out, screen.notes, screen.err):
        console.print(printed, table)
    assert_plain("".join(capsys.readouterr()))


def test_not_even_a_question(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("builtins.input", lambda *_: "yes")
    assert Prompt.ask(MEAN, console=open_screen().err) == "yes"
    assert_plain(capsys.readouterr().err)


def test_colours_are_there_all_the_same(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    open_screen().out.print(Text(MEAN, "red"))
    assert capsys.readouterr().out == "\x1b[31ma]0;title31m0;xb\x1b[0m\n"


def test_json_is_the_same_and_steers_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    print_json({MEAN: [MEAN, "naïve 漢字"]})
    written = capsys.readouterr().out
    assert_plain(written)
    assert json.loads(written) == {MEAN: [MEAN, "naïve 漢字"]}


def test_mermaid_text(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    flow = tmp_path / "flow.yaml"
    flow.write_text(json.dumps({"taskflow": [{"task": {"name": MEAN, "run": "true"}}]}))
    graph(str(flow))
    assert_plain("".join(capsys.readouterr()))


def events() -> list[Text]:
    """All lines about a task of that name."""
    formatter = EventFormatter([LINE])
    kinds = ("task_started", "parked", "decided", "leg_ended", "branch_ended", "rate_limited", "task_ended")
    for kind in kinds:
        formatter.add_event(
            RunEvent(number=1, kind=kind, task=LINE, label=LINE, status="failed", error="E", note="why")
        )
    formatter.add_event(RunEvent(number=1, kind="task_ended", task=LINE, status="done"))
    formatter.add_activity("task-1", LINE, PendingActivity(attempt=2, progress=None, last_failure="why"), NOW, LINE)
    return formatter.take_lines()


def report() -> RunReport:
    failure = Failure(task=LINE, type="E", message=LINE, branch=0, item=1, model=LINE)
    return RunReport(name="f", bundle="", status="failed", tasks=[TaskReport(
        name=LINE, status="failed", total=2, failed=1, failures=[failure], warnings=["w"],
    )], approvals=[approval()])  # fmt: skip


def approval() -> Approval:
    return Approval(id=LINE, task=LINE, branch=LINE, tool=LINE, toolbox=LINE, arguments='"x"', since=NOW)


def tell_display() -> None:
    display = RunDisplay(Bundle(name="f", source="f", tasks=[Task(name=LINE, run="true")]), LINE, open_screen())
    for line in display._live_view():
        open_screen().out.print(line)


class Unanswered:
    """Where questions are asked of somebody who leaves them open."""

    def asking(self, about: str) -> AbstractContextManager[None]:
        print(about)
        return nullcontext()

    def tell(self, text: Text) -> None:
        open_screen().out.print(text)

    async def read(self, prompt: str) -> str:
        raise EOFError


TOLD: dict[str, Callable[[], object]] = {
    "events": lambda: open_screen().out.print(Group(*events())),
    "the live view": tell_display,
    "the summary": lambda: print_summary(open_screen().out, report(), timedelta(1), LINE, None),
    "status": lambda: run_tables.print_report(open_screen().out, LINE, report()),
    "list": lambda: run_tables.print_runs(
        open_screen().out,
        [
            RunLine(
                id=LINE, flow=LINE, status="running", started=NOW, standing=RunOverview(task=LINE, number=1, tasks=1)
            )
        ],
    ),
    "a removed run": lambda: run_tables.print_removed(open_screen().out, LINE, NOW, False),
    "logs": lambda: transcript.print_transcript(
        open_screen().out, LINE, "", [TranscriptEntry(kind="message", who=LINE, text="hi")]
    ),
    "a call": lambda: asyncio.run(ask.about_call(Unanswered(), approval())),
    "a parked task": lambda: asyncio.run(
        ask.about_parked(Unanswered(), Parked(task=LINE, since=NOW, failure=Failure(task=LINE, type="E", message="m")))
    ),
}


@pytest.mark.parametrize("tell", TOLD.values(), ids=TOLD)
def test_a_name_makes_up_no_line(
    tell: Callable[[], object], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    tell()
    lines = capsys.readouterr().out.splitlines()
    assert any("all done" in line for line in lines)
    assert [line for line in lines if line.strip().startswith("✓ all done")] == []


def test_a_log_record(capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("tests.of.the.terminal")
    logs.set_up("tests.of.the.terminal", debug=False)
    logger.warning("serving run %s", f"{MEAN}\n12:00:00 all is well")
    logger.handlers.clear()
    written = capsys.readouterr().err
    assert_plain(written)
    assert [line[:4] for line in written.splitlines()[1:]] == ["    "]


def test_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    print_problems(open_screen(), UserError(f"no such run: {MEAN}"), json=True)
    assert_plain("".join(capsys.readouterr()))
