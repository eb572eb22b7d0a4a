"""What the templates of later tasks read of a task's value, and a value of that form (dry runs). Pure.

`{{ result.name }} {{ result.functions[0].file }}` reads a map with a name, and a list of maps with a file.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes
from pydantic import JsonValue

from grammar.templating import template_check

_SAME = ("sort", "unique", "reverse", "list", "select", "reject", "default", "d")
_ONE = ("first", "last", "random", "min", "max")
_BY_ATTRIBUTE = ("selectattr", "rejectattr")
_OF_ATTRIBUTE = ("map", "join", "sum", "groupby")
_ARITHMETIC = (nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Pow)
_STEP = {"gt": 1, "lt": -1, "gteq": 0, "lteq": 0, "eq": 0}

DEEP = 8
DEEPEST = 50

Scope = Mapping[str, "InferredType"]


@dataclass
class InferredType:
    """What is read of a value: keys of a map, items of a list, or itself as `example`."""

    keys: dict[str, "InferredType"] = field(default_factory=dict)
    element: "InferredType | None" = None
    example: JsonValue = None
    read: bool = False

    def key(self, name: str) -> "InferredType":
        """What is read of that key."""
        shape = self.keys.setdefault(name, InferredType())
        self.read = shape.read = True
        return shape

    def item(self) -> "InferredType":
        """What is read of each item."""
        shape = self.element = self.element or InferredType()
        self.read = shape.read = True
        return shape

    def value(self, label: str = "item", number: int = 0, depth: int = 0) -> JsonValue:
        """A value of that form: two items for a list, `name 1` for a text. Deep down, one item and less."""
        if self.keys and depth < DEEPEST:
            return {name: shape.value(name, number, depth + 1) for name, shape in self.keys.items()}
        if self.element is not None and depth < DEEPEST:
            items = (1, 2) if depth < DEEP else (1,)
            return [self.element.value(singular(label), one, depth + 1) for one in items]
        if self.example is not None:
            return self.example
        return f"{label} {number}" if number else label


def read_template(template: str, scope: Scope, prompts: Mapping[str, str]) -> None:
    """Note in the shapes of `scope` what the template reads of them, and what the prompts that it includes do."""
    left, seen = [template], set()
    while left:
        text = left.pop()
        if text in seen or (tree := template_check.parsed(text)) is None:
            continue
        seen.add(text)
        _Reader(dict(scope)).template(tree)
        included = (prompts.get(one.name or "") for one in template_check.includes(text))
        left += [prompt for prompt in included if prompt is not None]


def read_expression(expression: str, scope: Scope) -> InferredType:
    """As read_template; what is known of the expression's own value."""
    tree = template_check.parsed("{{ (" + expression + ") }}")
    found = next(tree.find_all(nodes.Output), None) if tree else None
    try:
        return (_Reader(dict(scope)).of(found.nodes[0]) if found else None) or InferredType()
    except RecursionError:
        return InferredType()


class _Reader:
    def __init__(self, scope: dict[str, InferredType]) -> None:
        self._scope = scope

    def template(self, tree: nodes.Template) -> None:
        """What is nested too deeply is left out."""
        with contextlib.suppress(RecursionError):
            self.block(tree.body)

    def block(self, body: list[nodes.Node]) -> None:
        for node in body:
            self._statement(node)

    def _statement(self, node: nodes.Node) -> None:
        if isinstance(node, nodes.For):
            self._loop(node)
        elif isinstance(node, nodes.Assign):
            self._bind(node.target, self.of(node.node))
        elif isinstance(node, nodes.With):
            for target, value in zip(node.targets, node.values, strict=True):
                self._bind(target, self.of(value))
            self.block(node.body)
        elif isinstance(node, nodes.Stmt):
            for child in node.iter_child_nodes():
                self._statement(child)
        elif isinstance(node, nodes.Expr):
            self.of(node)

    def _loop(self, node: nodes.For) -> None:
        several = self.of(node.iter)
        self._bind(node.target, several.item() if several else None)
        if node.test:
            self.of(node.test)
        self.block([*node.body, *node.else_])

    def _bind(self, target: nodes.Node, shape: InferredType | None) -> None:
        """A name that the template makes for itself. Of `for key, value in x.items()`, the value is the second."""
        if isinstance(target, nodes.Name):
            self._scope[target.name] = shape or InferredType()
        elif isinstance(target, nodes.Tuple):
            for place, one in enumerate(target.items):
                self._bind(one, shape if place == len(target.items) - 1 else None)

    def of(self, node: Any) -> InferredType | None:
        """The shape that an expression stands for; None where it is not part of a value that is known."""
        found: InferredType | None
        match node:
            case nodes.Name():
                found = self._name(node.name)
            case nodes.Getattr():
                found = self._key(self.of(node.node), node.attr)
            case nodes.Getitem():
                found = self._item(node)
            case nodes.Filter() if node.node is not None:
                found = self._filter(node)
            case nodes.Call():
                found = self._call(node)
            case nodes.Compare():
                found = self._compare(node)
            case _:
                found = self._other(node)
        return found

    def _other(self, node: Any) -> InferredType | None:
        shapes = [(child, self.of(child)) for child in node.iter_child_nodes()]
        known = [shape for _, shape in shapes if shape]
        if isinstance(node, _ARITHMETIC) or (isinstance(node, nodes.Add | nodes.Mod) and _has_number(node)):
            _exemplify(known, 1)
        if isinstance(node, nodes.Or | nodes.And):
            return known[0] if known else None
        return self.of(node.expr1) if isinstance(node, nodes.CondExpr) else None

    def _name(self, name: str) -> InferredType | None:
        shape = self._scope.get(name)
        if shape:
            shape.read = True
        return shape

    def _key(self, shape: InferredType | None, name: str) -> InferredType | None:
        return shape.key(name) if shape else None

    def _item(self, node: nodes.Getitem) -> InferredType | None:
        shape = self.of(node.node)
        self.of(node.arg)
        if shape is None or isinstance(node.arg, nodes.Slice):
            return shape
        value = node.arg.value if isinstance(node.arg, nodes.Const) else None
        if isinstance(value, str):
            return shape.key(value)
        return shape.item() if isinstance(value, int) else None

    def _call(self, node: nodes.Call) -> InferredType | None:
        for argument in node.args:
            self.of(argument)
        if not isinstance(node.node, nodes.Getattr):
            return None
        shape = self.of(node.node.node)
        if shape is None:
            return None
        if node.node.attr == "get" and node.args and isinstance(node.args[0], nodes.Const):
            return shape.key(str(node.args[0].value))
        return _values(shape) if node.node.attr in ("items", "values") else None

    def _filter(self, node: nodes.Filter) -> InferredType | None:
        shape = self.of(node.node)
        for argument in node.args:
            self.of(argument)
        if shape is None or node.name in _SAME:
            return shape
        if node.name in _ONE:
            return shape.item()
        if node.name in ("items", "dictsort"):
            return _values(shape)
        if node.name == "join":
            shape.item()
        return self._by_attribute(node, shape)

    def _by_attribute(self, node: nodes.Filter, shape: InferredType) -> InferredType | None:
        given = [*node.args[:1], *(one.value for one in node.kwargs if one.key == "attribute")]
        name = given[0].value if given and isinstance(given[0], nodes.Const) else None
        named = node.name == "groupby" or any(one.key == "attribute" for one in node.kwargs)
        if node.name in _BY_ATTRIBUTE and isinstance(name, str):
            _at(shape.item(), name)
            return shape
        if node.name in _OF_ATTRIBUTE and isinstance(name, str) and named:
            return InferredType(element=_at(shape.item(), name), read=True)
        return None

    def _compare(self, node: nodes.Compare) -> InferredType | None:
        """A value that makes the comparison come true, where it is one with a constant."""
        shape = self.of(node.expr)
        for operand in node.ops:
            self.of(operand.expr)
        first = node.ops[0]
        constant = first.expr.value if isinstance(first.expr, nodes.Const) else None
        if shape is None or constant is None or first.op not in _STEP:
            return None
        step = _STEP[first.op] if isinstance(constant, int | float) and not isinstance(constant, bool) else 0
        _exemplify([shape], constant + step if step else constant)
        return None


def _at(shape: InferredType, dotted: str) -> InferredType:
    """`a.b` as `map(attribute='a.b')` means it."""
    for name in dotted.split("."):
        shape = shape.item() if name.isdigit() else shape.key(name)
    return shape


def _values(shape: InferredType) -> InferredType:
    """What is read of each value of a map whose keys are not known."""
    return InferredType(element=shape.key("key"), read=True)


def _has_number(node: nodes.BinExpr) -> bool:
    return any(isinstance(one, nodes.Const) and isinstance(one.value, int | float) for one in (node.left, node.right))


def singular(label: str) -> str:
    """What one of several is called."""
    return label[:-1] if len(label) > 1 and label.endswith("s") else label


def _exemplify(shapes: list[InferredType], value: JsonValue) -> None:
    for shape in shapes:
        if shape.example is None:
            shape.example = value
