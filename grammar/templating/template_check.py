"""What can be known of a template before anything runs: its syntax, its includes, the names it reads."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any

import jinja2
from jinja2 import meta, nodes
from jinja2.utils import pass_context

from grammar.templating.templates import NAMES, Sandbox, explain

MAX_CHARACTERS = 256 * 1024
TAGS = ("{{", "{%", "{#")

_KEYED = ("globals", "inputs", "outputs")
# What is evaluated of each of these for certain; "": nothing.
_FIRST = (
    ((nodes.If, nodes.CondExpr), "test"),
    (nodes.For, "iter"),
    ((nodes.And, nodes.Or), "left"),
    ((nodes.Filter, nodes.Call), "node"),
    ((nodes.Test, nodes.Macro, nodes.CallBlock, nodes.Assign, nodes.Include), ""),
)
_OPTIONAL = ("default", "d", "defined", "undefined")
_METHODS = frozenset(name for name in dir(dict) if not name.startswith("_"))


@dataclass(frozen=True)
class Complaint:
    """What is wrong with a template. `line` counts from 1 in the template's text.

    `certain`: it fails whenever the template renders, not only in a branch that may never be reached.
    """

    line: int
    message: str
    certain: bool = True


@dataclass(frozen=True)
class Include:
    """An `{% include %}`; `name` None: only the template itself could compute it."""

    line: int
    name: str | None
    optional: bool = False
    certain: bool = True


@dataclass(frozen=True)
class Read:
    """A name that the template reads: `globals.x` is (`globals`, `x`), `result` is (`result`, None)."""

    line: int
    name: str
    key: str | None
    certain: bool

    @property
    def path(self) -> tuple[str, str | None]:
        """The name and the key."""
        return self.name, self.key

    def __str__(self) -> str:
        return self.name if self.key is None else f"{self.name}.{self.key}"


@dataclass(frozen=True)
class Outline:
    """What a template reads. `guarded`: what it tests for being defined, or has a default for.

    `variables`: what `env()` must find. `defined`: names that it gives a value, which what it includes reads, too.
    """

    reads: tuple[Read, ...] = ()
    guarded: frozenset[tuple[str, str | None]] = frozenset()
    includes: tuple[Include, ...] = ()
    variables: tuple[Read, ...] = ()
    defined: frozenset[str] = frozenset()


@dataclass(frozen=True)
class Scope:
    """What a template finds: the keys of `globals`, `inputs` and `outputs`, and which other names there are.

    `open`: names whose keys may come from elsewhere. `hints`: what to do about a name, or a key, that is not there.
    """

    keys: Mapping[str, Iterable[str]]
    names: frozenset[str] = frozenset({*NAMES, "env"})
    open: frozenset[str] = frozenset()
    hints: Mapping[tuple[str, str | None], str] = field(default_factory=dict)


class _Inert(Sandbox):
    """Compiles, and works out nothing on the way: Jinja evaluates constant expressions when it compiles."""

    intercepted_binops = frozenset(Sandbox.default_binop_table)
    intercepted_unops = frozenset(Sandbox.default_unop_table)

    def __init__(self) -> None:
        super().__init__({}, finalize=_never)
        self.optimized = False
        self.filters = dict.fromkeys(self.filters, _never)
        self.tests = dict.fromkeys(self.tests, _never)


@pass_context
def _never(*_: Any) -> str:
    return ""


_INERT = _Inert()


def syntax(template: str) -> Complaint | None:
    """What keeps the template from being compiled: its syntax, or a filter or test that does not exist."""
    found = _outline(template)
    return found if isinstance(found, Complaint) else None


def includes(template: str) -> tuple[Include, ...]:
    """Every document that the template includes."""
    return outline(template).includes


def outline(template: str) -> Outline:
    """What the template reads. Empty for one that cannot be compiled."""
    found = _outline(template)
    return found if isinstance(found, Outline) else Outline()


def parsed(template: str) -> nodes.Template | None:
    """The template's tree; None for one that says nothing, or cannot be compiled."""
    if isinstance(_outline(template), Complaint) or not any(tag in template for tag in TAGS):
        return None
    try:
        return _INERT.parse(template)
    except RecursionError:  # there was more room when it was outlined
        return None


def undefined(template: str, scope: Scope) -> list[Complaint]:
    """Names that nothing defines."""
    found = outline(template)
    return [complaint for read in found.reads if (complaint := missing(read, scope, found.guarded))]


def missing(read: Read, scope: Scope, guarded: Iterable[tuple[str, str | None]] = ()) -> Complaint | None:
    """What is wrong with reading that name, if anything is."""
    if read.path in guarded or (read.name, None) in guarded:
        return None
    if read.name in scope.names and (read.key is None or read.key in scope.keys.get(read.name, (read.key,))):
        return None
    certain = read.certain and read.name not in scope.open
    return Complaint(read.line, f"{read} is not defined{_hint(read, scope)}", certain)


def _hint(read: Read, scope: Scope) -> str:
    if hint := scope.hints.get(read.path) or scope.hints.get((read.name, None)):
        return f": {hint}"
    if read.key is None or read.name not in scope.names:
        known = [f"{name}()" if name == "env" else name for name in (*NAMES, "env") if name in scope.names]
        return f": a template reads {', '.join(known)} here"
    if read.name == "globals":
        return f": add it under `globals`, or give -g {read.key}=VALUE"
    return ": add it under `inputs`" if read.name == "inputs" else ": no earlier task has that `id`"


def tokens(template: str, most: int) -> int:
    """How much there is to compile: words and signs, counted up to `most` and one more."""
    if not any(tag in template for tag in TAGS) or len(template) > MAX_CHARACTERS:
        return 0
    found = 0
    with contextlib.suppress(jinja2.TemplateSyntaxError):
        for _ in islice(_INERT.lex(template), most + 1):
            found += 1
    return found


@lru_cache(maxsize=512)
def _outline(template: str) -> Outline | Complaint:
    if not any(tag in template for tag in TAGS):
        return Outline()
    if len(template) > MAX_CHARACTERS:
        return Complaint(1, f"a template has at most {MAX_CHARACTERS:,} characters, and this one {len(template):,}")
    try:
        tree = _INERT.parse(template)
        undeclared = _undeclared(tree) - set(_INERT.globals)
        return _described(list(_walk(tree)), undeclared)
    except jinja2.TemplateSyntaxError as error:
        return Complaint(error.lineno, explain(error).partition(": ")[2])
    except (RecursionError, MemoryError):
        return Complaint(1, "nested too deeply")
    except (ValueError, OverflowError) as error:  # a number with thousands of digits
        return Complaint(1, explain(error))


def _undeclared(tree: nodes.Template) -> set[str]:
    """`meta.find_undeclared_variables`, which works out constants even so."""
    names = meta.TrackingCodeGenerator(_INERT)
    names.optimizer = None
    names.visit(tree)
    return names.undeclared_identifiers


def _described(found: list[tuple[nodes.Node, bool]], undeclared: set[str]) -> Outline:
    kinds = (nodes.Include, nodes.Import, nodes.FromImport, nodes.Extends)
    called = {node.node for node, _ in found if isinstance(node, nodes.Call)}
    defined = frozenset(name for node, _ in found for name in _defined(node))
    # Jinja takes a name that is set in one branch for undeclared: it may well be there when it is read.
    reads = (
        (node, read)
        for node, sure in found
        if (read := _read(node, sure and not _is_one_of(node, defined))) and read.name in undeclared
    )
    return Outline(
        tuple(read for node, read in reads if not (read.key in _METHODS and node in called)),
        frozenset(_guarded(node for node, _ in found)),
        tuple(include for node, sure in found if isinstance(node, kinds) for include in _included(node, sure)),
        tuple(read for node, sure in found if (read := _variable(node, sure))) if "env" in undeclared else (),
        defined,
    )


def _is_one_of(node: nodes.Node, names: frozenset[str]) -> bool:
    return isinstance(node, nodes.Name) and node.name in names


def _walk(tree: nodes.Node) -> Iterator[tuple[nodes.Node, bool]]:
    """Every node in the template's order, and whether rendering the template always evaluates it."""
    left = [(tree, True)]
    while left:
        node, sure = left.pop()
        yield node, sure
        always = _always(node)
        children = [(child, sure and (always is None or child in always)) for child in node.iter_child_nodes()]
        left += reversed(children)


def _always(node: nodes.Node) -> list[nodes.Node] | None:
    """The children that are evaluated whenever the node is; None: all of them."""
    first = next((name for kinds, name in _FIRST if isinstance(node, kinds)), None)
    child = getattr(node, first, None) if first else None
    if isinstance(node, nodes.Filter) and node.name in _OPTIONAL:
        child = None
    return None if first is None else [child] if child is not None else []


def _included(node: nodes.Node, sure: bool) -> Iterator[Include]:
    template = getattr(node, "template", None)
    optional = bool(getattr(node, "ignore_missing", False))
    choices = template.items if isinstance(template, nodes.Tuple | nodes.List) else [template]
    for choice in choices:
        value = choice.value if isinstance(choice, nodes.Const) else None
        name = value if isinstance(value, str) else None
        sure = sure and len(choices) == 1 and isinstance(node, nodes.Include)
        yield Include(node.lineno, name, optional or len(choices) > 1, sure)


def _read(node: nodes.Node, sure: bool) -> Read | None:
    """`globals.x` and `globals['x']`; a name that stands alone."""
    if isinstance(node, nodes.Name) and node.ctx == "load" and node.name not in _KEYED:
        return Read(node.lineno, node.name, None, sure)
    if not isinstance(node, nodes.Getattr | nodes.Getitem) or not isinstance(node.node, nodes.Name):
        return None
    if node.node.name not in _KEYED:
        return None
    if isinstance(node, nodes.Getattr):
        return Read(node.lineno, node.node.name, node.attr, sure)
    if isinstance(node.arg, nodes.Const) and isinstance(node.arg.value, str):
        return Read(node.lineno, node.node.name, node.arg.value, sure)
    return None


def _guarded(found: Iterable[nodes.Node]) -> Iterator[tuple[str, str | None]]:
    """What is tested for being defined or there, or has a default: it may be missing."""
    for node in found:
        if isinstance(node, nodes.Compare):
            yield from _looked_for(node)
        if isinstance(node, nodes.Filter | nodes.Test) and node.name in _OPTIONAL and node.node is not None:
            for inner, _ in _walk(node.node):
                if read := _read(inner, True):
                    yield read.path


def _looked_for(node: nodes.Compare) -> Iterator[tuple[str, str | None]]:
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


def _variable(node: nodes.Node, sure: bool) -> Read | None:
    """The variable that an `env('X')` needs: one without a default, and not said to be optional."""
    if not isinstance(node, nodes.Call) or not isinstance(node.node, nodes.Name) or node.node.name != "env":
        return None
    if len(node.args) != 1 or node.kwargs or not isinstance(node.args[0], nodes.Const):
        return None
    return Read(node.lineno, "env", str(node.args[0].value), sure)
