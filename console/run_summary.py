"""The end of a run, for a person."""

from collections.abc import Sequence
from datetime import timedelta

from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.printable import first_line, printable, printable_name
from grammar.budgets import told
from grammar.documents.durations import spoken
from grammar.exit_codes import ExitCode
from grammar.loading.hints import hint
from grammar.messages.activity_results import Usage
from grammar.messages.asked_models import Cost
from grammar.messages.reports import Failure, RunReport, TaskReport
from grammar.messages.run_status import spelled
from grammar.model_access.prices import cost_told, tokens_told

MAX_MESSAGE = 500
MAX_BRANCHES = 10
EXIT_CODES = {
    "completed": ExitCode.DONE, "completed_with_failures": ExitCode.OPTIONAL_FAILED, "failed": ExitCode.FAILED,
    "cancelled": ExitCode.INTERRUPTED, "terminated": ExitCode.INTERRUPTED, "timed_out": ExitCode.FAILED,
    "parked": ExitCode.FAILED, **dict.fromkeys(("running", "rate_limited", "waiting_approval", "paused", "interrupted"),
    ExitCode.DONE),
}  # fmt: skip
_STYLES = {
    "completed": "green", "completed_with_failures": "yellow", "failed": "red", "cancelled": "yellow",
    "terminated": "red", "timed_out": "red", "running": "blue", "parked": "bold red", "interrupted": "bold red",
    "rate_limited": "yellow", "waiting_approval": "bold yellow", "paused": "yellow",
    "done": "green", "skipped": "yellow", "waiting": "dim",
}  # fmt: skip


def print_summary(console: Console, report: RunReport, took: timedelta, run_id: str, url: str | None) -> None:
    """Print a table of tasks, what failed, and where to look. `url`: the run in the Web UI, None without one."""
    console.print()
    console.print(summary_table(report))
    print_failures(console, report)
    status = Text(spelled(report.status), _STYLES[report.status])
    print_models(console, report)
    spent = told.spent_of(report.budget)
    budget = f"; of the budget {spent}" if spent else ""
    console.print(Text.assemble(status, f" in {spoken(took)}, {used_told(report.usage, report.cost)}{budget}"))
    console.print(Text(f"run {printable_name(run_id)}" + (f"  {url}" if url else ""), "dim"))


def summary_table(report: RunReport) -> Table:
    """Return the tasks, a row each. What no task has used has no column."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    figures = usage_columns([(task.usage, task.cost) for task in report.tasks])
    for column in ("task", "status", "branches", "time", *figures):
        table.add_column(column)
    for number, task in enumerate(report.tasks):
        status = Text(task.status, _STYLES.get(task.status, "red"))
        cells = (cells[number] for cells in figures.values())
        table.add_row(Text(printable_name(task.name)), status, _branch_counts(task), _duration(task), *cells)
    return table


def usage_columns(used: Sequence[tuple[Usage, Cost]]) -> dict[str, list[str]]:
    """Return columns of what each row used: tokens, which of them were cached and reasoning, and what they cost.

    A column without a figure is left out.
    """
    columns = {
        "input": [_figure(usage.input_tokens) for usage, _ in used],
        "cached": [_figure(usage.cached_tokens) for usage, _ in used],
        "output": [_figure(usage.output_tokens) for usage, _ in used],
        "reasoning": [_figure(usage.reasoning_tokens) for usage, _ in used],
        "cost": [cost_told(cost) if usage.requests else "" for usage, cost in used],
    }
    return {name: cells for name, cells in columns.items() if any(cells)}


def print_models(console: Console, report: RunReport) -> None:
    """Print what each model was used for, where there are several."""
    if len(report.usage_by_model) > 1:
        for entry in report.usage_by_model:
            named = entry.named if entry.named in ("", entry.model) else f"{entry.named} ({entry.model})"
            used = used_told(entry.usage, entry.cost)
            console.print(Text(printable_name(f"{named or entry.model or 'a model'}: {used}"), "dim"))


def used_told(usage: Usage, cost: Cost) -> str:
    """Return what was used, in words: requests, tokens, and the cost where a price is known."""
    requests = f"{usage.requests:,} model request{'s' * (usage.requests != 1)}"
    return ", ".join(filter(None, [requests, tokens_told(usage), cost_told(cost) if usage.requests else ""]))


def print_failures(console: Console, report: RunReport) -> None:
    """Print what failed, with the warnings of each task and advice for each type of failure."""
    for task in report.tasks:
        for what, failures in _failures_alike(task).items():
            console.print(Text(printable_name(f"✗ {task.name}{_which(failures, task)}: {what}"), "red"))
        if (more := task.failed - len(task.failures)) > 0 and task.failures:
            console.print(Text(f"  … and {more:,} more failed: `manifest` tells all", "red"))
        for warning in task.warnings:
            console.print(Text(printable(f"! {printable_name(task.name)}: {warning}"), "yellow"))
    # What a person has decided about needs no advice.
    types = {failure.type for task in report.tasks if not task.note for failure in task.failures}
    for error_type in sorted(types):
        if advice := hint(error_type):
            # In a terminal, it is broken at words.
            console.print(Text(f"  {error_type}: {advice}", "cyan"), soft_wrap=not console.is_terminal)


def _failures_alike(task: TaskReport) -> dict[str, list[Failure]]:
    """Return what failed, and the failures that say so."""
    found: dict[str, list[Failure]] = {}
    for failure in task.failures:
        found.setdefault(f"{failure.type}: {first_line(failure.message, MAX_MESSAGE)}", []).append(failure)
    return found


def _which(failures: list[Failure], task: TaskReport) -> str:
    """Return which branches they are of: `, items 1, 3`, or `, item 1 on gpt-4.1, item 3 on gpt-4.1`."""
    if task.total <= 1 or failures[0].branch is None:
        return ""
    numbers = [str(failure.item) for failure in failures if failure.item and not failure.model]
    if len(numbers) == len(failures):
        return f", item{'s' * (len(numbers) > 1)} {_first_of(numbers)}"
    return f", {_first_of([_branch_name(failure) for failure in failures])}"


def _branch_name(failure: Failure) -> str:
    item = f"item {failure.item}" if failure.item else ""
    # Runs of earlier versions tell neither.
    return " on ".join(filter(None, [item, failure.model])) or f"branch {(failure.branch or 0) + 1}"


def _first_of(names: list[str]) -> str:
    more = len(names) - MAX_BRANCHES
    return ", ".join(names[:MAX_BRANCHES]) + (f" and {more} more" if more > 0 else "")


def _branch_counts(task: TaskReport) -> str:
    if task.total <= 1:
        return ""
    return f"{task.done}/{task.total}" + (f" ({task.failed} failed)" if task.failed else "")


def _duration(task: TaskReport) -> str:
    return spoken(task.ended - task.started) if task.started and task.ended else ""


def _figure(number: int) -> str:
    return f"{number:,}" if number else ""
