"""Runs as a person looks at them without following one."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.report import spoken, summary_table, tell_failures
from grammar.contracts import BranchReport, Manifest, RunLine, RunReport


def tell_runs(console: Console, found: Sequence[RunLine]) -> None:
    """A line each, and what those that wait are waiting for."""
    if not found:
        console.print("no runs")
        return
    table = _table("run", "flow", "status", "task", "started", "took")
    for one in found:
        state = one.standing.state if one.status in ("running", "completed") else one.status
        place = f"{one.standing.number}/{one.standing.tasks} {one.standing.task}" if one.standing.tasks else ""
        took = (one.ended or datetime.now(UTC)) - one.started
        flow = f"{one.flow} (dry run)" if one.dry_run else one.flow
        table.add_row(one.id, flow, state, place, f"{one.started.astimezone():%Y-%m-%d %H:%M}", spoken(took))
        for wait in one.standing.waits if one.status == "running" else ():
            table.add_row("", "", "", Text(f"waits: {wait}", "yellow"))
    console.print(table)


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
