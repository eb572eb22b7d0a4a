"""Runs as a person looks at them without following one."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from shlex import quote

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.printable import printable, printable_name
from console.run_summary import print_failures, print_models, summary_table, usage_columns, used_told
from grammar.budgets import told
from grammar.documents.durations import spoken
from grammar.messages.reports import BranchReport, Manifest, RunLine, RunReport
from grammar.messages.run_status import spelled
from grammar.messages.schedule import ScheduleLine
from grammar.program import program

# Columns of a terminal that has room for the flow's path.
WIDE = 120


def print_runs(console: Console, found: Sequence[RunLine]) -> None:
    """Print a line for each, as wide as the terminal; ids are whole, for the next command."""
    if not found:
        console.print("no runs")
        return
    columns = ("run", "status", "task", "took", "started", *(["flow"] if console.width >= WIDE else []))
    now = datetime.now().astimezone()
    rows = [[printable_name(cell) for cell in _cells(line, now)[: len(columns)]] for line in found]
    table = _table(*columns)
    for column, width in zip(table.columns, _widths([columns, *rows], console.width), strict=True):
        column.width, column.no_wrap, column.overflow = width, True, "ellipsis"
    table.columns[0].no_wrap, table.columns[0].overflow = False, "fold"
    for row in rows:
        table.add_row(*map(Text, row))
    console.print(table)


def _widths(rows: Sequence[Sequence[str]], available: int) -> list[int]:
    """Return how wide each column may be: where not all fits, the flow is cut, then the task, then the status."""
    widths = [max(map(cell_len, cells)) for cells in zip(*rows, strict=True)]
    for column in (5, 2, 1, 3, 4):
        if column < len(widths):
            excess = sum(widths) + 2 * len(widths) - available
            widths[column] = max(1, widths[column] - max(0, excess))
    return widths


def print_waits(console: Console, found: Sequence[RunLine]) -> None:
    """Print what those that wait are waiting for."""
    for line in found:
        for wait in _waits(line):
            console.print(Text(printable_name(f"{line.id} waits: {wait}"), "yellow"))


def print_schedules(console: Console, found: Sequence[ScheduleLine]) -> None:
    """Print a line for each schedule, and what its last run waits for: until it has ended, no other one is started."""
    if not found:
        console.print("no schedules")
        return
    table = _table("schedule", "flow", "cron", "next run", "last run", "status", "skipped")
    for schedule in found:
        next_run = "paused" if schedule.paused else moment(schedule.next_run)
        last_run, status = (schedule.last_run.id, spelled(schedule.last_run.status)) if schedule.last_run else ("", "")
        skipped = str(schedule.skipped or "")
        _add(table, schedule.id, schedule.flow, schedule.cron, next_run, last_run, status, skipped)
        for wait in _waits(schedule.last_run) if schedule.last_run else ():
            table.add_row("", "", "", "", Text(printable_name(f"waits: {wait}"), "yellow"))
    console.print(table)


def moment(time: datetime | None) -> str:
    """Return a time in the time zone of whoever reads it, with its name: a schedule's own may be another."""
    return f"{time.astimezone():%Y-%m-%d %H:%M %Z}" if time else "never"


def print_report(console: Console, run_id: str, report: RunReport) -> None:
    """Print the tasks of one run, what failed, and the calls that wait for a person."""
    console.print(summary_table(report))
    print_failures(console, report)
    print_models(console, report)
    used = f", {used_told(report.usage, report.cost)}" if report.usage.requests else ""
    stands = f"run {printable_name(run_id)}: {spelled(report.status)}{used}{_advice(run_id, report.status)}"
    console.print(Text(stands, "bold"))
    print_budgets(console, report)
    for call in report.approvals:
        what = f"{call.task}, {call.arguments}" if call.kind == "fan_out" else f"{call.tool}({call.arguments})"
        asked = f"{call.kind.replace('_', ' ')} of {what}: {call.id}"
        console.print(Text(printable_name(f"  waits: {asked}")))


def print_budgets(console: Console, report: RunReport) -> None:
    """Print how much of each budget is spent; nothing where there is none."""
    for name, budget in (("the run", report.budget), *((task.name, task.budget) for task in report.tasks)):
        if spent := told.spent_of(budget):
            console.print(Text(printable_name(f"budget of {name}: {spent}")))


def print_workers(console: Console, workers: Sequence[str]) -> None:
    """Print who serves a run; nothing where nobody does."""
    if workers:
        console.print(Text(printable(f"served by {'; '.join(workers)}"), "dim"))


def print_place(console: Console, address: str, sizes: dict[str, int], elsewhere: str) -> None:
    """Print the server of a run, and what the run takes up, in bytes. `elsewhere`: what is not counted, or empty."""
    shown = ", ".join(f"{in_bytes(size)} of {what}" for what, size in sizes.items())
    more = f"; what it has in {elsewhere} is not counted" if elsewhere else ""
    console.print(Text(f"at {address}; on disk: {shown}{more}", "dim"))


def print_removed(console: Console, run_id: str, ended: datetime | None, dry_run: bool) -> None:
    """Print that a run is removed, or would be."""
    console.print(Text(printable_name(f"{'would remove' if dry_run else 'removed'} {run_id}, ended {moment(ended)}")))


def print_removed_in_all(console: Console, runs: int, files: int, size: int, dry_run: bool) -> None:
    """Print how much is removed, or would be."""
    what = f"{runs} run{'s' * (runs != 1)} and {files} file{'s' * (files != 1)}"
    console.print(Text(f"{'would remove' if dry_run else 'removed'} {what}: {in_bytes(size)}", "bold"))


def print_reencrypted(console: Console, key: str, written: Mapping[str, int], current: Mapping[str, int]) -> None:
    """Print how many stored files of each kind were encrypted anew with the key of that id, and how many had it."""
    for kind in sorted({*written, *current}):
        counts = f"{written.get(kind, 0)} encrypted anew with the key {key}, {current.get(kind, 0)} had it already"
        console.print(Text(printable(f"{kind}s: {counts}")))
    if not written and not current:
        console.print("nothing is stored")


def in_bytes(size: int) -> str:
    """Return a number of bytes as people read it: `12 B`, `3.4 kB`, `120 MB`."""
    if size < 1000:
        return f"{size} B"
    number, units = size / 1000, ["kB", "MB", "GB", "TB"]
    while number >= 999.5 and len(units) > 1:
        number /= 1000
        del units[0]
    return f"{number:.1f} {units[0]}" if number < 9.95 else f"{number:.0f} {units[0]}"


def _advice(run_id: str, status: str) -> str:
    if status != "interrupted":
        return ""
    return f"; no worker serves it. To go on with it: {program()} resume {quote(run_id)}"


def print_manifest(console: Console, manifest: Manifest) -> None:
    """Print a line for each branch of a run."""
    figures = usage_columns([(branch.usage, branch.cost) for branch in manifest.branches])
    columns = ("task", "branch", "status", "model", "took", "attempts", "legs", "requests", *figures, "error")
    table = _table(*columns)
    for number, branch in enumerate(manifest.branches):
        error = (branch.error or "").partition("\n")[0]
        _add(table, *_branch_cells(branch), *(cells[number] for cells in figures.values()), error)
    console.print(table)
    print_budgets(console, manifest.report)


def _waits(line: RunLine) -> Sequence[str]:
    if line.status != "interrupted":
        return line.standing.waits
    since = f" since {moment(line.since)}" if line.since else ""
    return [f"for a worker{since}; none serves it", *line.standing.waits]


def _cells(line: RunLine, now: datetime) -> tuple[str, ...]:
    place = f"{line.standing.number}/{line.standing.tasks} {line.standing.task}" if line.standing.tasks else ""
    took = spoken((line.ended or now) - line.started)
    started = line.started.astimezone()
    shown = f"{started:%H:%M}" if started.date() == now.date() else f"{started:%Y-%m-%d}"
    state = spelled(line.status) + (" (dry run)" if line.dry_run else "")
    return (line.id, state, place, took, shown, line.flow)


def _branch_cells(branch: BranchReport) -> tuple[str, ...]:
    numbers = (str(branch.attempts or ""), str(branch.legs), str(branch.usage.requests))
    label = branch.label or str(branch.index + 1)
    models = ", then ".join(asked.model or asked.named for asked in branch.asked) or branch.model
    return (branch.task, label, branch.status, models, _took(branch), *numbers)


def _took(branch: BranchReport) -> str:
    return spoken((branch.ended or datetime.now(UTC)) - branch.started) if branch.started else ""


def _add(table: Table, *cells: str) -> None:
    table.add_row(*(Text(printable_name(cell)) for cell in cells))


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column)
    return table
