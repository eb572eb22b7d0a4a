"""What the Web UI shows of a run: one line per activity, and a table of tasks."""

from grammar.documents.models import ModelConfig, Task
from grammar.messages import model_choice
from grammar.messages.activity_results import Branch
from grammar.messages.reports import Approval, Parked
from workflows.run_record import RunRecord
from workflows.task_record import TaskRecord

# Signs that every font has: the Web UI shows them in the reader's own. It puts no space between columns.
_SIGNS = {
    "waiting": "·",
    "running": "▶",
    "parked": "‖",
    "done": "✓",
    "failed": "✗",
    "skipped": "–",
    "cancelled": "■",
}
_QUESTIONS = {
    "approval": ("wait for approval", "`approve` (`approve_always`: all of this tool) or `reject`"),
    "unknown_outcome": ("were interrupted, and may have had an effect", "`retry_call` or `skip_call`"),
}
_NO_BREAK = "\N{NO-BREAK SPACE}"
TEMPORAL_LIMIT = 200
SHOWN = 10


def of_branch(name: str, branch: Branch, items: int, task: Task, config: ModelConfig, leg: int) -> str:
    """Task, item n of N, model, leg. Temporal shows 200 characters at most."""
    parts = [name]
    if task.repeats:
        parts.append(f"item {branch.index // len(task.choices) + 1} of {items}")
    if task.run is not None:
        parts.append("shell")
    elif model := model_choice.choose(task, config, branch.choice).name:
        parts.append(model)
    if leg > 1:
        parts.append(f"leg {leg}")
    return " · ".join(parts)[:TEMPORAL_LIMIT]


def of_rest(name: str, label: str) -> str:
    """Task, item n of N, and why its timer runs."""
    return " · ".join(part for part in (name, label, "rate limited") if part)[:TEMPORAL_LIMIT]


def of_run(record: RunRecord) -> str:
    """A Markdown table of the tasks."""
    rows = [_row(task) for task in record.tasks]
    table = ["| status | task | items | note |", "|---|---|---|---|", *rows]
    return "\n".join([*table, *_parked(record.parking.current), *_paused(record), *_waiting(record.approvals.open)])


def _parked(parked: Parked | None) -> list[str]:
    """What happened, and how to decide."""
    if parked is None:
        return []
    what = f"**Parked: {_cell(parked.task)} failed**, {_cell(parked.failure.message)}"
    how = (
        "Decide with the signal or update `retry` (what failed), `skip`, `set_output` (with the value as its input) "
        "or `abort`."
    )
    return ["", what, "", how]


def _paused(record: RunRecord) -> list[str]:
    return ["", "**Paused.** No new branch starts; go on with the signal `unpause`."] if record.paused else []


def _waiting(approvals: list[Approval]) -> list[str]:
    """What a person is asked, and how to answer: Temporal cuts the whole off, so only the first few."""
    lines = []
    for kind, (what, answers) in _QUESTIONS.items():
        asked = [one for one in approvals if one.kind == kind]
        if asked:
            how = f"Answer with the signal or update {answers}, with the call's id as its input, in quotes."
            calls = [f"- `{one.id}`: {_cell(f'{one.tool}({one.arguments})')}" for one in asked[:SHOWN]]
            lines += ["", f"**{len(asked)} calls {what}.** {how}", "", *calls]
    return lines


def _row(task: TaskRecord) -> str:
    fans_out = task.task.fans_out and task.status != "waiting"
    items = f"{task.done}/{task.total}" if fans_out else ""
    if fans_out and task.failed:
        items += f", {task.failed} failed"
    note = task.note or (task.failures[0].message.splitlines()[0] if task.failures else "")
    return (
        f"| {_SIGNS[task.status]}{_NO_BREAK}{task.status}{_NO_BREAK} | {_cell(task.name)} | {items} | {_cell(note)} |"
    )


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:120]
