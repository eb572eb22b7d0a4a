"""What a picture says about a task, and a number."""

import re
from collections.abc import Iterator
from json import dumps

from pydantic import JsonValue

from grammar.loading.graph import TaskNode

_REFERENCE = re.compile(r"⟦env:([^:|⟧]+)(?:\|json)?:[0-9a-f]+⟧")


def about(task: TaskNode) -> Iterator[str]:
    """One line each: when it runs, how often, who does it, with what, and what it gives."""
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
    pace = f"{task.at_once} at a time" if task.at_once > 1 else "one after the other"
    return ", ".join([*items, *models, pace])


def _agents(task: TaskNode) -> str:
    model = f", on {task.models[0]}" if len(task.models) == 1 else ""
    return f"agent {' → '.join(task.agents)}{model}"


def json(value: JsonValue, indent: int | None = None) -> str:
    """A value as JSON; a text as it is."""
    return value if isinstance(value, str) else dumps(value, ensure_ascii=False, indent=indent)


def line(text: str, most: int) -> str:
    """A text in one line, cut."""
    return cut(" ".join(text.split()), most)


def cut(text: str, most: int) -> str:
    """The beginning of a text, and how long it is."""
    return text if len(text) <= most else f"{text[:most]}… ({len(text):,} characters)"


def shorter(text: str, most: int) -> str:
    """The beginning of a line."""
    return text if len(text) <= most else f"{text[: most - 1]}…"


def without_keys(text: str) -> str:
    """A reference to a variable by the variable's name alone."""
    return _REFERENCE.sub(r"⟦\1⟧", text)
