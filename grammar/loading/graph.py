"""A flow as a picture shows it: its tasks in order, and what each gives to later ones. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from jinja2 import nodes
from pydantic import BaseModel

from grammar.documents.models import Task
from grammar.documents.references import short_name
from grammar.messages.contracts import Bundle
from grammar.templating import task_templates, template_check


class TaskNode(BaseModel):
    """One task. `number` counts from 1. `over`: what it repeats over; `at_once`: how many branches run at a time."""

    number: int
    name: str
    description: str = ""
    kind: Literal["agent", "shell"]
    id: str | None = None
    condition: str | None = None
    required: bool = False
    agents: list[str] = []
    models: list[str] = []
    toolboxes: list[str] = []
    over: str | None = None
    at_once: int = 1

    @property
    def fans_out(self) -> bool:
        """Whether it has several branches."""
        return self.over is not None or len(self.models) > 1


class Link(BaseModel):
    """A value that one task gives to a later one, both by their numbers.

    `output`: read as `outputs.<id>`; `carry`: the result that `repeat_prompt` takes. `certain`: not only at times.
    """

    source: int
    target: int
    kind: Literal["output", "carry"]
    label: str
    certain: bool = True


class Graph(BaseModel):
    """A flow."""

    name: str
    source: str
    tasks: list[TaskNode]
    links: list[Link]


def graph(bundle: Bundle) -> Graph:
    """The picture of a bundle."""
    tasks = [_node(number, task, bundle) for number, task in enumerate(bundle.tasks, 1)]
    links = sorted([*_read(bundle), *_carried(bundle)], key=lambda one: (one.target, one.source))
    return Graph(name=bundle.name, source=bundle.source, tasks=tasks, links=links)


def _node(number: int, task: Task, bundle: Bundle) -> TaskNode:
    shell = task.run is not None
    named = [choice.model if choice else task.model for choice in task.choices if not shell]
    return TaskNode(
        number=number,
        name=task.name or f"task-{number}",
        description=task.description or "",
        kind="shell" if shell else "agent",
        id=task.id,
        condition=task.if_,
        required=task.must_complete,
        agents=[short_name(name) for name in task.agents],
        models=[name for name in named if name],
        toolboxes=[] if shell else [short_name(name) for name in bundle.toolboxes_of(task)],
        over=(task.over or "the last result") if task.repeats else None,
        at_once=task.concurrency if task.fans_out else 1,
    )


def _read(bundle: Bundle) -> Iterator[Link]:
    """What is read as `outputs.<id>`."""
    numbers = {task.id: number for number, task in enumerate(bundle.tasks, 1) if task.id}
    for target, task in enumerate(bundle.tasks, 1):
        keys = _keys(task_templates.of(task, bundle.prompts))
        for key, source in numbers.items():
            if source < target and (keys is None or key in keys):
                certain = bundle.tasks[source - 1].if_ is None
                yield Link(source=source, target=target, kind="output", label=f"outputs.{key}", certain=certain)


def _keys(templates: list[str]) -> set[str] | None:
    """The keys of `outputs` that are read; None where one is worked out, so that it may be any."""
    keys = set[str]()
    for template in templates:
        read = [one.key for one in template_check.outline(template).reads if one.name == "outputs" and one.key]
        tree = template_check.parsed(template)
        named = sum(one.name == "outputs" for one in tree.find_all(nodes.Name)) if tree else 0
        if named > len(read):
            return None
        keys.update(read)
    return keys


@dataclass(frozen=True)
class _Pushed:
    """What a task put on the stack of results. `many`: any number of them; `certain`: at least one."""

    number: int
    label: str
    many: bool
    certain: bool


def _carried(bundle: Bundle) -> Iterator[Link]:
    """What a `repeat_prompt` without `over` takes, as far as a flow tells (specification section 5)."""
    stack: list[_Pushed] = []
    for number, task in enumerate(bundle.tasks, 1):
        if task.repeat_prompt and task.over is None:
            for one in _candidates(stack):
                yield Link(source=one.number, target=number, kind="carry", label=one.label, certain=one.certain)
            stack = _taken(stack, task)
        stack += _pushed(number, task, bundle)


def _candidates(stack: list[_Pushed]) -> Iterator[_Pushed]:
    """The tasks whose result may be the topmost: down to one that certainly has one."""
    for one in reversed(stack):
        yield one
        if one.certain:
            return


def _taken(stack: list[_Pushed], task: Task) -> list[_Pushed]:
    """The stack without its top, where it is known what that is."""
    if not stack:
        return []
    top = stack[-1]
    if task.if_ is None and top.certain and not top.many:
        return stack[:-1]
    return [*stack[:-1], replace(top, certain=False)]


def _pushed(number: int, task: Task, bundle: Bundle) -> Iterator[_Pushed]:
    certain = task.if_ is None
    if task.run is not None:
        yield _Pushed(number, "stdout", task.repeats, certain)
    elif len(task.choices) == 1 and bundle.toolboxes_of(task):
        yield _Pushed(number, "last tool result", True, certain)
