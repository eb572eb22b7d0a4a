"""What the Web UI shows of a run: one line per activity, and a table of tasks."""

from grammar import model_choice
from grammar.contracts import Approval, Branch
from grammar.models import ModelConfig, Task
from workflows.record import Record, TaskRecord

_SIGNS = {"waiting": "·", "running": "▶", "done": "✓", "failed": "✗", "skipped": "–", "cancelled": "■"}
TEMPORAL_LIMIT = 200
SHOWN = 10


def of_branch(name: str, branch: Branch, items: int, task: Task, config: ModelConfig, leg: int = 1) -> str:
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


def of_run(record: Record) -> str:
    """A Markdown table of the tasks."""
    rows = [_row(task) for task in record.tasks]
    table = ["| | task | items | note |", "|---|---|---|---|", *rows]
    return "\n".join([*table, *_waiting(record.approvals.open)])


def _waiting(approvals: list[Approval]) -> list[str]:
    """What a person is asked, and how to answer: Temporal cuts the whole off, so only the first few."""
    if not approvals:
        return []
    lines = [f"- `{one.id}`: {_cell(f'{one.tool}({one.arguments})')}" for one in approvals[:SHOWN]]
    how = "Answer with the signal or update `approve` or `reject`, with the call's id as its input, in quotes."
    return ["", f"**{len(approvals)} calls wait for approval.** {how}", "", *lines]


def _row(task: TaskRecord) -> str:
    fans_out = task.task.fans_out and task.status != "waiting"
    items = f"{task.done}/{task.total}" if fans_out else ""
    if fans_out and task.failed:
        items += f", {task.failed} failed"
    note = task.note or (task.failures[0].message.splitlines()[0] if task.failures else "")
    return f"| {_SIGNS[task.status]} {task.status} | {_cell(task.name)} | {items} | {_cell(note)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:120]
