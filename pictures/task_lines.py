"""What the drawing of a flow says about a task, in lines."""

from collections.abc import Iterator

from grammar.loading.graph import TaskNode


def task_lines(task: TaskNode) -> Iterator[str]:
    """Yield when the task runs, how often, who does it, with what, and what it gives.

    Each is one line, and left out where there is nothing to say.
    """
    if task.condition is not None:
        yield f"if {task.condition}"
    if task.fans_out:
        yield _branches(task)
    yield "script" if task.kind == "shell" else _agents(task)
    if task.toolboxes:
        yield f"tools {', '.join(task.toolboxes)}"
    if task.required:
        yield "must complete"
    if task.id:
        yield f"gives outputs.{task.id}"


def _branches(task: TaskNode) -> str:
    items = [f"for each of {task.over}"] if task.over is not None else []
    models = [f"on {', '.join(task.models)}"] if len(task.models) > 1 else []
    limit = f"{task.at_once} at a time" if task.at_once > 1 else "one after the other"
    return ", ".join([*items, *models, limit])


def _agents(task: TaskNode) -> str:
    model = f", on {task.models[0]}" if len(task.models) == 1 else ""
    return f"agent {' → '.join(task.agents)}{model}"
