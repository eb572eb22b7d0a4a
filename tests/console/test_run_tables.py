"""Lists of runs, for people."""

import io
from datetime import timedelta

import pytest
from rich.console import Console

from console import run_tables
from grammar.messages.reports import RunLine, RunOverview
from tests.console.runs import NOW

LONG = "audit-nightly-20261126-020454-e2e4"
FAILED = "each function failed: 400 Invalid request, this model does not take a temperature; see its documentation"


def run(name: str, **standing: object) -> RunLine:
    known = RunOverview.model_validate({"state": "completed", "task": "sum up", "number": 3, "tasks": 3, **standing})
    ended = NOW + timedelta(hours=7)
    return RunLine(id=name, flow="flows/hello.yaml", status=known.state, standing=known, started=NOW, ended=ended)


def printed(*runs: RunLine, width: int) -> list[str]:
    console = Console(file=io.StringIO(), force_terminal=True, width=width, color_system=None, soft_wrap=True)
    run_tables.print_runs(console, runs)
    return [line.rstrip() for line in console.file.getvalue().splitlines()]  # type: ignore[attr-defined]


@pytest.mark.parametrize("width", [80, 100, 140])
def test_a_run_is_a_line_and_its_id_is_whole(width: int) -> None:
    lines = printed(run(LONG, state="parked", waits=[FAILED]), run("b", state="completed_with_failures"), width=width)
    assert len(lines) == 3
    assert all(len(line) <= width for line in lines)
    assert lines[1].split()[:2] == [LONG, "parked"]
    assert " ".join(lines[2].split()).startswith("b completed with ")


def test_what_runs_wait_for_is_told_whole() -> None:
    console = Console(file=io.StringIO(), width=80, soft_wrap=True)
    run_tables.print_waits(console, [run(LONG, state="parked", waits=[FAILED]), run("b")])
    assert console.file.getvalue() == f"{LONG} waits: {FAILED}\n"  # type: ignore[attr-defined]


def test_the_flow_is_told_where_there_is_room() -> None:
    assert "flows/hello.yaml" not in "".join(printed(run("a"), width=80))
    assert "flows/hello.yaml" in "".join(printed(run("a"), width=140))


def test_an_id_that_is_wider_than_the_terminal_is_folded_not_cut() -> None:
    name = "x" * 70
    column = [line.split()[0] for line in printed(run(name), width=80)[1:] if line.startswith("x")]
    assert "".join(column) == name


def test_names_are_no_markup_and_steer_nothing() -> None:
    assert "a[/b]" in "".join(printed(run("a[/b]", task="\x1b[31m[red]"), width=140))
    assert "\x1b" not in "".join(printed(run("a", task="\x1b[31mred"), width=140))
