"""What the Web UI shows of a run: one line per activity, and a table of tasks."""

from grammar import model_choice
from grammar.models import ModelConfig, Task
from workflows.record import Record, TaskRecord

_SIGNS = {"waiting": "·", "running": "▶", "done": "✓", "failed": "✗", "skipped": "–", "cancelled": "■"}
TEMPORAL_LIMIT = 200


def of_branch(name: str, index: int, total: int, task: Task, config: ModelConfig) -> str:
    """Task, item n of N, model. Temporal shows 200 characters at most."""
    parts = [name]
    if task.fans_out:
        parts.append(f"item {index + 1} of {total}")
    if task.run is not None:
        parts.append("shell")
    elif model := model_choice.choose(task, config).name:
        parts.append(model)
    return " · ".join(parts)[:TEMPORAL_LIMIT]


def of_run(record: Record) -> str:
    """A Markdown table of the tasks."""
    rows = [_row(task) for task in record.tasks]
    return "\n".join(["| | task | items | note |", "|---|---|---|---|", *rows])


def _row(task: TaskRecord) -> str:
    items = f"{task.done}/{task.total}" if task.fans_out else ""
    if task.fans_out and task.failed:
        items += f", {task.failed} failed"
    note = task.note or (task.failures[0].message.splitlines()[0] if task.failures else "")
    return f"| {_SIGNS[task.status]} {task.status} | {_cell(task.name)} | {items} | {_cell(note)} |"


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")[:120]
