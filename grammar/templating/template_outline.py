"""What a template reads and includes, known before anything runs."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

import jinja2
from jinja2 import nodes

from grammar.templating import template_parser
from grammar.templating.template_parser import MAX_CHARACTERS
from grammar.templating.templates import explain

_KEYED = ("globals", "inputs", "outputs")
# What is evaluated of each of these for certain; "": nothing.
_ALWAYS_EVALUATED = (
    ((nodes.If, nodes.CondExpr), "test"),
    (nodes.For, "iter"),
    ((nodes.And, nodes.Or), "left"),
    ((nodes.Filter, nodes.Call), "node"),
    ((nodes.Test, nodes.Macro, nodes.CallBlock, nodes.Assign, nodes.Include), ""),
)
_OPTIONAL = ("default", "d", "defined", "undefined")
_METHODS = frozenset(name for name in dir(dict) if not name.startswith("_"))


@dataclass(frozen=True)
class TemplateProblem:
    """What is wrong with a template."""

    line: int
    """The line of the template's text, from 1."""
    message: str
    """What is wrong, for people."""
    certain: bool = True
    """Whether it fails whenever the template renders, not only in a branch that may never be reached."""


@dataclass(frozen=True)
class Include:
    """An `{% include %}`, or another tag that takes in a template."""

    line: int
    """The line of the template's text, from 1."""
    name: str | None
    """The name of what is included; None: only the template itself could compute it."""
    optional: bool = False
    """Whether it may be missing."""
    certain: bool = True
    """Whether it is included whenever the template renders."""


@dataclass(frozen=True)
class Read:
    """A name that the template reads: `globals.x` is (`globals`, `x`), `result` is (`result`, None)."""

    line: int
    """The line of the template's text, from 1."""
    name: str
    """The name."""
    key: str | None
    """The key that is read of it; None: the name as a whole."""
    certain: bool
    """Whether it is read whenever the template renders."""

    @property
    def path(self) -> tuple[str, str | None]:
        """Return the name and the key."""
        return self.name, self.key

    def __str__(self) -> str:
        return self.name if self.key is None else f"{self.name}.{self.key}"


@dataclass(frozen=True)
class Outline:
    """What a template reads and includes."""

    reads: tuple[Read, ...] = ()
    """The names that it reads and does not define, in its order."""
    guarded: frozenset[tuple[str, str | None]] = frozenset()
    """The paths that it tests for being defined, or has a default for: they may be missing."""
    includes: tuple[Include, ...] = ()
    """What it includes, in its order."""
    variables: tuple[Read, ...] = ()
    """The environment variables that `env()` must find, as (`env`, variable)."""
    defined: frozenset[str] = frozenset()
    """Names that it gives a value, which what it includes reads, too."""


def outline(template: str) -> Outline:
    """Return what the template reads and includes; an empty Outline for one that cannot be compiled."""
    found = _outline(template)
    return found if isinstance(found, Outline) else Outline()


def includes(template: str) -> tuple[Include, ...]:
    """Return every document that the template includes."""
    return outline(template).includes


def syntax_problem(template: str) -> TemplateProblem | None:
    """Return what keeps the template from being compiled: its syntax, or an unknown filter or test. None: nothing."""
    found = _outline(template)
    return found if isinstance(found, TemplateProblem) else None


def parsed(template: str) -> nodes.Template | None:
    """Return the template's tree; None for one that is plain text, or cannot be compiled."""
    if syntax_problem(template) or not template_parser.has_tags(template):
        return None
    try:
        return template_parser.parse(template)
    except RecursionError:  # there was more room when it was outlined
        return None


@lru_cache(maxsize=512)
def _outline(template: str) -> Outline | TemplateProblem:
    if not template_parser.has_tags(template):
        return Outline()
    if len(template) > MAX_CHARACTERS:
        message = f"a template has at most {MAX_CHARACTERS:,} characters, and this one {len(template):,}"
        return TemplateProblem(1, message)
    try:
        tree = template_parser.parse(template)
        undeclared = template_parser.undeclared_names(tree)
        return _outline_of(list(_walk(tree)), undeclared)
    except jinja2.TemplateSyntaxError as error:
        return TemplateProblem(error.lineno, explain(error).partition(": ")[2])
    except (RecursionError, MemoryError):
        return TemplateProblem(1, "nested too deeply")
    except (ValueError, OverflowError) as error:  # a number with thousands of digits
        return TemplateProblem(1, explain(error))


def _outline_of(found: list[tuple[nodes.Node, bool]], undeclared: set[str]) -> Outline:
    kinds = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
    called = {node.node for node, _ in found if isinstance(node, nodes.Call)}
    defined = frozenset(name for node, _ in found for name in _defined(node))
    # Jinja takes a name that is set in one branch for undeclared: it may well be there when it is read.
    reads = (
        (node, read)
        for node, certain in found
        if (read := _read(node, certain and not _names_one_of(node, defined))) and read.name in undeclared
    )
    return Outline(
        tuple(read for node, read in reads if not (read.key in _METHODS and node in called)),
        frozenset(_guarded(node for node, _ in found)),
        tuple(include for node, certain in found if isinstance(node, kinds) for include in _included(node, certain)),
        tuple(read for node, certain in found if (read := _variable(node, certain))) if "env" in undeclared else (),
        defined,
    )


def _names_one_of(node: nodes.Node, names: frozenset[str]) -> bool:
    return isinstance(node, nodes.Name) and node.name in names


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, bool]]:
    """Every node in the template's order, and whether rendering the template always evaluates it."""
    left = [(tree, True)]
    while left:
        node, certain = left.pop()
        yield node, certain
        always = _always(node)
        children = [(child, certain and (always is None or child in always)) for child in node.iter_child_nodes()]
        left += reversed(children)


def _always(node: nodes.Node) -> list[nodes.Node] | None:
    """The children that are evaluated whenever the node is; None: all of them."""
    field = next((name for kinds, name in _ALWAYS_EVALUATED if isinstance(node, kinds)), None)
    child = getattr(node, field, None) if field else None
    if isinstance(node, nodes.Filter) and node.name in _OPTIONAL:
        child = None
    return None if field is None else [child] if child is not None else []


def _included(node: nodes.Node, certain: bool) -> Iterator[Include]:
    template = getattr(node, "template", None)
    optional = bool(getattr(node, "ignore_missing", False))
    choices = template.items if isinstance(template, nodes.Tuple | nodes.List) else [template]
    for choice in choices:
        value = choice.value if isinstance(choice, nodes.Const) else None
        name = value if isinstance(value, str) else None
        certain = certain and len(choices) == 1 and isinstance(node, nodes.Include)
        yield Include(node.lineno, name, optional or len(choices) > 1, certain)


def _read(node: nodes.Node, certain: bool) -> Read | None:
    """`globals.x` and `globals['x']`; a name that stands alone."""
    if isinstance(node, nodes.Name) and node.ctx == "load" and node.name not in _KEYED:
        return Read(node.lineno, node.name, None, certain)
    if not isinstance(node, nodes.Getattr | nodes.Getitem) or not isinstance(node.node, nodes.Name):
        return None
    if node.node.name not in _KEYED:
        return None
    if isinstance(node, nodes.Getattr):
        return Read(node.lineno, node.node.name, node.attr, certain)
    if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return Read(node.lineno, node.node.name, node.arg.value, certain)
    return None


def _guarded(found: Iterable[nodes.Node]) -> Iterator[tuple[str, str | None]]:
    """What is tested for being defined or there, or has a default: it may be missing."""
    for node in found:
        if isinstance(node, nodes.Compare):
            yield from _tested_for_membership(node)
        if isinstance(node, nodes.Filter | nodes.Test) and node.name in _OPTIONAL and node.node is not None:
            for inner, _ in _walk(node.node):
                if read := _read(inner, True):
                    yield read.path


def _tested_for_membership(node: nodes.Compare) -> Iterator[tuple[str, str | None]]:
    """`'x' in globals`."""
    if not isinstance(node.expr, nodes.Const) or not isinstance(node.expr.value, str):
        return
    for operand in node.ops:
        if operand.op in ("in", "notin") and isinstance(operand.expr, nodes.Name) and operand.expr.name in _KEYED:
            yield operand.expr.name, node.expr.value


def _defined(node: nodes.Node) -> Iterator[str]:
    match node:
        case nodes.Name(ctx="store" | "param"):
            yield node.name
        case nodes.Macro():
            yield node.name
        case nodes.Import():
            yield node.target
        case nodes.FromImport():
            yield from (name if isinstance(name, str) else name[1] for name in node.names)
        case nodes.For():
            yield "loop"


def _variable(node: nodes.Node, certain: bool) -> Read | None:
    """The variable that an `env('X')` needs: one without a default, and not said to be optional."""
    if not isinstance(node, nodes.Call) or not isinstance(node.node, nodes.Name) or node.node.name != "env":
        return None
    if len(node.args) != 1 or node.kwargs or not isinstance(node.args[0], nodes.Const):
        return None
    return Read(node.lineno, "env", str(node.args[0].value), certain)
