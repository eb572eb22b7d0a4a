"""What can be known of a template before anything runs: its syntax, its includes, the names it reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import jinja2
from jinja2 import meta, nodes

from grammar.templates import NAMES, Sandbox, explain

_BUILT_IN = {*NAMES, "env"}


@dataclass(frozen=True)
class Complaint:
    """What is wrong with a template. `line` counts from 1 in the template's text."""

    line: int
    message: str


@dataclass(frozen=True)
class Include:
    """An `{% include %}`; `name` None: only the template itself could compute it."""

    line: int
    name: str | None
    optional: bool = False


def syntax(template: str) -> Complaint | None:
    """The template's syntax error, if it has one."""
    try:
        Sandbox({}).parse(template)
    except jinja2.TemplateSyntaxError as error:
        return Complaint(error.lineno, explain(error).partition(": ")[2])
    except RecursionError:
        return Complaint(1, "nested too deeply")
    return None


def includes(template: str) -> list[Include]:
    """Every document that the template includes. The template must parse."""
    tree = Sandbox({}).parse(template)
    kinds = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
    return [include for node in tree.find_all(kinds) for include in _included(node)]


def undefined(template: str, known: Mapping[str, set[str]]) -> list[Complaint]:
    """Names that nothing defines. `known`: the keys of `globals`, `inputs` and `outputs`. The template must parse."""
    tree = Sandbox({}).parse(template)
    guarded = set(_guarded(tree))
    found = [
        Complaint(node.lineno, f"{_dotted(node)} is not defined{_hint(node, known)}")
        for node in tree.find_all((nodes.Getattr, nodes.Getitem))
        if (read := _read(node)) and read[0] in known and read[1] not in known[read[0]] and read not in guarded
    ]
    return found + _unknown_names(tree)


def _unknown_names(tree: nodes.Template) -> list[Complaint]:
    undeclared = meta.find_undeclared_variables(tree) - _BUILT_IN - set(Sandbox({}).globals)
    undeclared -= {node.name for guard in _guards(tree) for node in guard.find_all(nodes.Name)}
    first = {node.name: node.lineno for node in reversed(list(tree.find_all(nodes.Name)))}
    known = "globals, inputs, outputs, result and env()"
    return [
        Complaint(first.get(name, 1), f"{name} is not defined: a template reads {known}") for name in sorted(undeclared)
    ]


def _included(node: nodes.Node) -> Iterator[Include]:
    template = getattr(node, "template", None)
    optional = bool(getattr(node, "ignore_missing", False))
    choices = template.items if isinstance(template, nodes.Tuple | nodes.List) else [template]
    for choice in choices:
        value = choice.value if isinstance(choice, nodes.Const) else None
        yield Include(node.lineno, value if isinstance(value, str) else None, optional or len(choices) > 1)


def _read(node: nodes.Node) -> tuple[str, str] | None:
    """(`globals`, `x`) for `globals.x` and `globals['x']`."""
    if not isinstance(node, nodes.Getattr | nodes.Getitem) or not isinstance(node.node, nodes.Name):
        return None
    if isinstance(node, nodes.Getattr):
        return node.node.name, node.attr
    if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return node.node.name, node.arg.value
    return None


def _guards(tree: nodes.Template) -> Iterator[nodes.Expr]:
    """What is tested for being defined, or has a default: it may be missing."""
    for node in tree.find_all((nodes.Filter, nodes.Test)):
        if node.name in ("default", "d", "defined", "undefined") and node.node is not None:
            yield node.node


def _guarded(tree: nodes.Template) -> Iterator[tuple[str, str]]:
    for guard in _guards(tree):
        for node in (guard, *guard.find_all((nodes.Getattr, nodes.Getitem))):
            if read := _read(node):
                yield read


def _dotted(node: nodes.Node) -> str:
    read = _read(node)
    return f"{read[0]}.{read[1]}" if read else ""


def _hint(node: nodes.Node, known: Mapping[str, set[str]]) -> str:
    read = _read(node)
    if read and read[0] == "globals":
        return f": add it under `globals`, or give -g {read[1]}=VALUE"
    if read and read[0] == "outputs":
        return ": no earlier task has that `id`"
    return ": add it under `inputs`"
