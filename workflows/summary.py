"""What the Web UI shows of a run: one line per activity, and a table of tasks."""

import re

from grammar.budgets import told
from grammar.documents.models import ModelConfig
from grammar.messages.budgets import BudgetReport
from grammar.messages.reports import Approval, Parked
from grammar.messages.run_status import ENDED, spelled
from grammar.model_access import model_choice
from grammar.printable import printable, printable_name
from workflows.records.branch_record import BranchRecord
from workflows.records.run_record import RunRecord
from workflows.records.task_record import TaskRecord

# Signs that every font has: the Web UI shows them in the reader's own.
_SIGNS = {
    "waiting": "·",
    "running": "▶",
    "parked": "‖",
    "done": "✓",
    "failed": "✗",
    "skipped": "–",
    "cancelled": "■",
}
# What one call does, what several do, and how they are answered.
_QUESTIONS = {
    "approval": (
        "waits for approval",
        "wait for approval",
        "`approve` (`approve_always`: all of this tool) or `reject`",
    ),
    "fan_out": ("fan-out asks whether it may start", "fan-outs ask whether they may start", "`approve` or `reject`"),
    "unknown_outcome": (
        "was interrupted, and may have had an effect",
        "were interrupted, and may have had an effect",
        "`retry_call` or `skip_call`",
    ),
}
_NO_BREAK = "\N{NO-BREAK SPACE}"
TEMPORAL_LIMIT = 200
SHOWN = 10
# Characters.
SHOWN_OF_CALL = 2_000
SHOWN_OF_CELL = 120
ELSEWHERE = "The command `status`, with the id of the run, shows all of it."


def of_leg(record: TaskRecord, branch: BranchRecord, config: ModelConfig) -> str:
    """Return the line of a branch's leg: task, item n of N, model or `shell`, leg. Cut to what Temporal shows."""
    task, index, leg = record.task, branch.index, branch.leg
    parts = [record.name]
    if task.repeats:
        parts.append(f"item {index // record.models + 1} of {record.items}")
    if task.run is not None:
        parts.append("shell")
    elif model := model_choice.choose(task, config, index % record.models, branch.model).name:
        parts.append(model)
    if leg > 1:
        parts.append(f"leg {leg}")
    return printable_name(" · ".join(parts))[:TEMPORAL_LIMIT]


def of_rate_limit(record: TaskRecord, index: int) -> str:
    """Return the line of a branch's timer: task, item n of N, and why it waits."""
    parts = (record.name, record.label(index), "rate limited")
    return printable_name(" · ".join(filter(None, parts)))[:TEMPORAL_LIMIT]


def of_run(record: RunRecord, state: str) -> str:
    """Return a Markdown table of the tasks, and what the run waits for. `state`: of its RunOverview."""
    rows = [_row(task) for task in record.tasks]
    head = _line("status", "task", "branches", "note")
    spent = told.spent_of(record.budgets.report(record.budgets.run))
    budget = ["", f"Budget: {spent}"] if spent else []
    lines = [f"**{spelled(state)}**", *budget, "", head, "|---|---|---|---|", *rows]
    if state not in ENDED:
        lines += [*_parked(record.parking.current), *_paused(record), *_waiting(record.approvals.open)]
    return "\n".join(lines)


def _parked(parked: Parked | None) -> list[str]:
    """Return what happened, and how to decide."""
    if parked is None:
        return []
    what = f"**Parked: {_cell(parked.headline)}**, {_cell(parked.failure.message)}"
    more = 'Add to the budget with `raise_budget`, its input such as `{"usd": 3}`. ' if parked.is_at_budget else ""
    how = more + (
        "Decide with the signal or update `retry` (what failed), `skip`, `set_output` (with the value as its input) "
        "or `abort`."
    )
    return ["", what, "", how]


def _paused(record: RunRecord) -> list[str]:
    return ["", "**Paused.** No new branch starts; go on with the signal `unpause`."] if record.paused else []


def _waiting(approvals: list[Approval]) -> list[str]:
    """Return what a person is asked, and how to answer. Temporal cuts the whole off, so only the first few."""
    lines = []
    for kind, (one, several, answers) in _QUESTIONS.items():
        waiting = [approval for approval in approvals if approval.kind == kind]
        if waiting:
            how = f"Answer with the signal or update {answers}, with its id as its input, in quotes."
            noun = "" if kind == "fan_out" else "call " if len(waiting) == 1 else "calls "
            what = f"{len(waiting)} {noun}{one if len(waiting) == 1 else several}"
            lines += ["", f"**{what}.** {how}"]
            lines += [line for call in waiting[:SHOWN] for line in _call(call)]
            more = len(waiting) - SHOWN
            lines += ["", f"**{more} more calls are not shown here.** {ELSEWHERE}"] if more > 0 else []
    return lines


def _call(call: Approval) -> list[str]:
    """Return all of a call, or as much as fits, and how much is missing: who says yes must know to what."""
    arguments = printable(call.arguments)
    missing = len(arguments) - SHOWN_OF_CALL
    # Longer than any fence in the text, so that nothing in it ends the block.
    fence = "`" * max(3, 1 + max(map(len, re.findall("`+", arguments)), default=0))
    if call.kind == "fan_out":
        return ["", f"`{call.id}`: {_cell(call.task)}, {_cell(call.arguments)}"]
    origin = f" of {_cell(call.toolbox)}" if call.toolbox else ""
    lines = ["", f"`{call.id}`: {_cell(call.tool)}{origin}", "", fence, arguments[:SHOWN_OF_CALL], fence]
    return lines + ([f"**{missing:,} more characters are not shown here.** {ELSEWHERE}"] if missing > 0 else [])


def _row(task: TaskRecord) -> str:
    fans_out = task.task.fans_out and task.status != "waiting"
    items = f"{task.done}/{task.total}" if fans_out else ""
    if fans_out and task.failed:
        items += f", {task.failed} failed"
    if spent := told.spent_of(BudgetReport(limit=task.limits.account.limit, spent=task.limits.account.spent)):
        items = ", ".join(filter(None, [items, spent]))
    note = task.note or (task.failures[0].message.splitlines()[0] if task.failures else "")
    return _line(f"{_SIGNS[task.status]}{_NO_BREAK}{task.status}", _cell(task.name), items, _cell(note))


def _line(*cells: str) -> str:
    """Return a line of the table; the Web UI puts no space between columns."""
    return "| " + " | ".join(f"{cell}{_NO_BREAK}" for cell in cells[:-1]) + f" | {cells[-1]} |"


def _cell(text: str) -> str:
    """Return a text in one cell of a table; where it is cut, that is seen."""
    line = printable_name(text)
    shown = line if len(line) <= SHOWN_OF_CELL else f"{line[: SHOWN_OF_CELL - 1]}…"
    return shown.replace("|", "\\|").replace("`", "'")
