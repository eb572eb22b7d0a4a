"""A flow as a Mermaid flowchart."""

import re
from collections.abc import Iterator

from grammar.loading.graph import Graph, Link, TaskNode
from pictures.task_lines import task_lines

_PLAIN = re.compile(r"[^\w .,:/()|+*=><!'-]")
_SHAPES = {"agent": ('["', '"]'), "shell": ('[["', '"]]')}


def text(graph: Graph) -> str:
    """Return the flowchart.

    Thick arrows: the order of the tasks. Thin ones: what is read by its id; dotted: carried, or at times.
    """
    lines = ["flowchart TB", *map(_node, graph.tasks)]
    lines += [f"t{task.number} ==> t{task.number + 1}" for task in graph.tasks[:-1]]
    lines += map(_link, graph.links)
    return "\n    ".join([*lines, *_classes(graph)]) + "\n"


def _node(task: TaskNode) -> str:
    opening, closing = _SHAPES[task.kind]
    lines = [f"<b>{_escaped(f'{task.number} {task.name}')}</b>", *map(_escaped, task_lines(task))]
    return f"t{task.number}{opening}{'<br/>'.join(lines)}{closing}"


def _link(link: Link) -> str:
    arrow = "-->" if link.kind == "output" and link.certain else "-.->"
    return f't{link.source} {arrow}|"{_escaped(link.label)}"| t{link.target}'


def _classes(graph: Graph) -> Iterator[str]:
    """Required tasks have a thick border, conditional ones a dashed one."""
    classes = (
        ("required", "stroke-width:3px", [task for task in graph.tasks if task.required]),
        ("conditional", "stroke-dasharray:5 4", [task for task in graph.tasks if task.condition is not None]),
    )
    for name, style, tasks in classes:
        if tasks:
            yield f"classDef {name} {style}"
            yield f"class {','.join(f't{task.number}' for task in tasks)} {name}"


def _escaped(text: str) -> str:
    """Mermaid's own entities for what it, or HTML, would read as markup."""
    line = " ".join(text.split())
    plain = _PLAIN.sub(lambda found: f"#{ord(found[0])};", line)
    return plain.replace("<", "#lt;").replace(">", "#gt;")
