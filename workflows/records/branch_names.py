"""What people call a branch, by its index in its task."""

from grammar.documents.models import Task


def item_number(task: Task, index: int) -> int | None:
    """Return the number of the branch's item, from 1; None where the task has no items."""
    return index // len(task.choices) + 1 if task.repeats else None


def named_model(task: Task, index: int) -> str:
    """Return the branch's model, as the file names it; empty where it names none."""
    choice = task.choices[index % len(task.choices)]
    return (choice.model if choice else task.model) or ""


def model_name(task: Task, index: int) -> str:
    """Return the branch's model, as the file names it; empty where the task has only one."""
    choice = task.choices[index % len(task.choices)]
    return (choice.model or "") if choice and len(task.choices) > 1 else ""
