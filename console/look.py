"""Runs as a person looks at them without following one."""

from collections.abc import Sequence
from datetime import UTC, datetime

from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.report import summary_table, tell_failures
from grammar.contracts import Manifest, RunLine, RunReport
from grammar.durations import spoken


def tell_runs(console: Console, found: Sequence[RunLine]) -> None:
    """A line each, and what those that wait are waiting for."""
    if not found:
        console.print("no runs")
        return
    table = _table("run", "flow", "status", "task", "started", "took")
    for one in found:
        state = one.standing.state if one.status == "running" else one.status
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
    table = _table("task", "branch", "status", "model", "legs", "requests", "tokens", "error")
    for one in manifest.branches:
        tokens = one.usage.input_tokens + one.usage.output_tokens
        table.add_row(
            one.task, one.label or str(one.index + 1), one.status, one.model, str(one.legs),
            str(one.usage.requests), f"{tokens:,}", (one.error or "").splitlines()[0] if one.error else "",
        )  # fmt: skip
    console.print(table)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column)
    return table
