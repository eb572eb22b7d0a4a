"""A flow as a picture shows it: its tasks in order, and what each gives to later ones. Pure."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Literal

from jinja2 import nodes
from pydantic import BaseModel

from grammar.documents.models import Task
from grammar.documents.references import short_name
from grammar.messages.run_bundle import Bundle
from grammar.templating import template_outline
from grammar.templating.expressions import as_template
from grammar.templating.task_templates import templates_of


class TaskNode(BaseModel):
    """One task."""

    number: int
    """Its number, from 1."""
    name: str
    """Its name."""
    description: str = ""
    """What it does, for people; empty: the file does not say."""
    kind: Literal["agent", "shell"]
    """What it runs."""
    id: str | None = None
    """The key of its value in `outputs`; None: it publishes none."""
    condition: str | None = None
    """Its `if`; None: it always runs."""
    required: bool = False
    """Whether it has `must_complete`."""
    agents: list[str] = []
    """The short names of its personalities, the primary one first."""
    models: list[str] = []
    """Its models, as the file names them; empty: the worker's default, or a script."""
    toolboxes: list[str] = []
    """The short names of its toolboxes; empty for a script."""
    over: str | None = None
    """The expression that it repeats over, or `the last result`; None: it does not repeat."""
    at_once: int = 1
    """How many of its branches run at a time."""

    @property
    def fans_out(self) -> bool:
        """Return whether it has several branches."""
        return self.over is not None or len(self.models) > 1


class Link(BaseModel):
    """A value that one task gives to a later one."""

    source: int
    """The number of the task that gives it, from 1."""
    target: int
    """The number of the task that reads it, from 1."""
    kind: Literal["output", "carry"]
    """`output`: read as `outputs.<id>`. `carry`: the result that `repeat_prompt` takes."""
    label: str
    """What is given: `outputs.<id>`, `stdout` or `last tool result`."""
    certain: bool = True
    """Whether it is given in every run, not only at times."""


class Graph(BaseModel):
    """A flow: its tasks, and the values that they give each other."""

    name: str
    """The name of the bundle."""
    source: str
    """The flow's file, as people call it."""
    tasks: list[TaskNode]
    """The tasks, in their order."""
    links: list[Link]
    """The links, by target and then by source."""


def graph(bundle: Bundle) -> Graph:
    """Return the graph of a bundle."""
    tasks = [_node(number, task, bundle) for number, task in enumerate(bundle.tasks, 1)]
    links = sorted([*_output_links(bundle), *_carry_links(bundle)], key=lambda link: (link.target, link.source))
    return Graph(name=bundle.name, source=bundle.source, tasks=tasks, links=links)


def item_sources(bundle: Bundle) -> dict[int, set[int]]:
    """Return the tasks that may give what each task repeats over, by its index; all indexes are from 0.

    A task that does not repeat has no entry, and one whose items are the file's own an empty one.
    """
    found = {index: set[int]() for index, task in enumerate(bundle.tasks) if task.repeats}
    for link in _carry_links(bundle):
        found[link.target - 1].add(link.source - 1)
    for index in found:
        over = bundle.tasks[index].over
        keys = _keys([as_template(over)]) if over is not None else set[str]()
        given = [source for source, task in enumerate(bundle.tasks[:index]) if task.id]
        found[index] |= {source for source in given if keys is None or bundle.tasks[source].id in keys}
    return found


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


def _output_links(bundle: Bundle) -> Iterator[Link]:
    """What is read as `outputs.<id>`."""
    numbers = {task.id: number for number, task in enumerate(bundle.tasks, 1) if task.id}
    for target, task in enumerate(bundle.tasks, 1):
        keys = _keys(templates_of(task, bundle.prompts))
        for key, source in numbers.items():
            if source < target and (keys is None or key in keys):
                certain = bundle.tasks[source - 1].if_ is None
                yield Link(source=source, target=target, kind="output", label=f"outputs.{key}", certain=certain)


def _keys(templates: list[str]) -> set[str] | None:
    """The keys of `outputs` that are read; None where one is worked out, so that it may be any."""
    keys = set[str]()
    for template in templates:
        reads = template_outline.outline(template).reads
        known = [read.key for read in reads if read.name == "outputs" and read.key]
        tree = template_outline.parsed(template)
        named = sum(node.name == "outputs" for node in tree.find_all(nodes.Name)) if tree else 0
        if named > len(known):
            return None
        keys.update(known)
    return keys


@dataclass(frozen=True)
class _PushedResults:
    """What a task pushed to the carry-over. `many`: any number of results; `certain`: at least one."""

    number: int
    label: str
    many: bool
    certain: bool


def _carry_links(bundle: Bundle) -> Iterator[Link]:
    """What a `repeat_prompt` without `over` takes, as far as a flow tells (specification section 5)."""
    carry_over: list[_PushedResults] = []
    for number, task in enumerate(bundle.tasks, 1):
        if task.repeat_prompt and task.over is None:
            for pushed in _candidates(carry_over):
                yield Link(
                    source=pushed.number, target=number, kind="carry", label=pushed.label, certain=pushed.certain
                )
            carry_over = _taken(carry_over, task)
        carry_over += _pushed(number, task, bundle)


def _candidates(carry_over: list[_PushedResults]) -> Iterator[_PushedResults]:
    """The tasks whose result may be the topmost: down to one that certainly has one."""
    for pushed in reversed(carry_over):
        yield pushed
        if pushed.certain:
            return


def _taken(carry_over: list[_PushedResults], task: Task) -> list[_PushedResults]:
    """The carry-over without its top, where it is known what that is."""
    if not carry_over:
        return []
    top = carry_over[-1]
    if task.if_ is None and top.certain and not top.many:
        return carry_over[:-1]
    return [*carry_over[:-1], replace(top, certain=False)]


def _pushed(number: int, task: Task, bundle: Bundle) -> Iterator[_PushedResults]:
    certain = task.if_ is None
    if task.run is not None:
        yield _PushedResults(number, "stdout", task.repeats, certain)
    elif len(task.choices) == 1 and bundle.toolboxes_of(task):
        yield _PushedResults(number, "last tool result", True, certain)
