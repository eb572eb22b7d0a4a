"""Runs as a person looks at them without following one."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.report import summary_table, tell_failures
from grammar.contracts import BranchReport, Manifest, RunLine, RunReport
from grammar.durations import spoken
from grammar.schedule import ScheduleLine


def tell_runs(console: Console, found: Sequence[RunLine]) -> None:
    """A line each, and what those that wait are waiting for."""
    if not found:
        console.print("no runs")
        return
    table = _table("run", "flow", "status", "task", "started", "took")
    for one in found:
        place = f"{one.standing.number}/{one.standing.tasks} {one.standing.task}" if one.standing.tasks else ""
        took = (one.ended or datetime.now(UTC)) - one.started
        flow = f"{one.flow} (dry run)" if one.dry_run else one.flow
        table.add_row(one.id, flow, _state(one), place, f"{one.started.astimezone():%Y-%m-%d %H:%M}", spoken(took))
        for wait in _waits(one):
            table.add_row("", "", "", Text(f"waits: {wait}", "yellow"))
    console.print(table)


def tell_schedules(console: Console, found: Sequence[ScheduleLine]) -> None:
    """A line each, and what the last run waits for: until it has ended, no other one is started."""
    if not found:
        console.print("no schedules")
        return
    table = _table("schedule", "flow", "cron", "next run", "last run", "status", "skipped")
    for one in found:
        following = "paused" if one.paused else moment(one.next_run)
        last, status = (one.last_run.id, _state(one.last_run)) if one.last_run else ("", "")
        row = (one.id, one.flow, one.cron, following, last, status, str(one.skipped or ""))
        table.add_row(*map(Text, row))
        for wait in _waits(one.last_run) if one.last_run else ():
            table.add_row("", "", "", "", Text(f"waits: {wait}", "yellow"))
    console.print(table)


def moment(time: datetime | None) -> str:
    """In the time zone of whoever reads it, with its name: a schedule's own may be another."""
    return f"{time.astimezone():%Y-%m-%d %H:%M %Z}" if time else "never"


def tell_report(console: Console, run_id: str, report: RunReport) -> None:
    """The tasks of one run."""
    console.print(summary_table(report))
    tell_failures(console, report)
    state = "paused" if report.paused and report.status == "running" else report.status.replace("_", " ")
    console.print(Text(f"run {run_id}: {state}", "bold"))
    for call in report.approvals:
        console.print(Text(f"  waits: {call.kind.replace('_', ' ')} of {call.tool}({call.arguments}): {call.id}"))


def tell_manifest(console: Console, manifest: Manifest) -> None:
    """A line for each branch."""
    table = _table("task", "branch", "status", "model", "took", "attempts", "legs", "requests", "tokens", "error")
    for one in manifest.branches:
        table.add_row(*_line(one))
    console.print(table)


def _state(one: RunLine) -> str:
    # To Temporal, a run that came to its end is completed, also where some of it failed.
    return one.standing.state if one.status in ("running", "completed") else one.status


def _waits(one: RunLine) -> Sequence[str]:
    return one.standing.waits if one.status == "running" else ()


def _line(one: BranchReport) -> tuple[str, ...]:
    usage, error = one.usage, (one.error or "").partition("\n")[0]
    numbers = (str(one.attempts or ""), str(one.legs), str(usage.requests))
    tokens = f"{usage.input_tokens + usage.output_tokens:,}"
    return (one.task, one.label or str(one.index + 1), one.status, one.model, _took(one), *numbers, tokens, error)


def _took(one: BranchReport) -> str:
    return spoken((one.ended or datetime.now(UTC)) - one.started) if one.started else ""


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column)
    return table
