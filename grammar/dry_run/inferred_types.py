"""What the templates of later tasks read of a task's value, and a value of that form (dry runs). Pure.

`{{ result.name }} {{ result.functions[0].file }}` reads a map with a name, and a list of maps with a file.
"""

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jinja2 import nodes
from pydantic import JsonValue

from grammar.templating import template_outline

_SAME_TYPE = ("sort", "unique", "reverse", "list", "select", "reject", "default", "d")
_ONE_ITEM = ("first", "last", "random", "min", "max")
_BY_ATTRIBUTE = ("selectattr", "rejectattr")
_OF_ATTRIBUTE = ("map", "join", "sum", "groupby")
_ARITHMETIC = (nodes.Sub, nodes.Mul, nodes.Div, nodes.FloorDiv, nodes.Pow)
_STEP = {"gt": 1, "lt": -1, "gteq": 0, "lteq": 0, "eq": 0}

DEEP = 8
DEEPEST = 50

Names = Mapping[str, "InferredType"]
"""What is read of the values that a template finds, by name."""


@dataclass
class InferredType:
    """What is read of a value: keys of a map, items of a list, or the value itself."""

    keys: dict[str, "InferredType"] = field(default_factory=dict)
    """What is read of its keys; empty: no keys are."""
    element: "InferredType | None" = None
    """What is read of its items; None: no items are."""
    example: JsonValue = None
    """A value that fits a comparison or calculation with it; None: there is none."""
    read: bool = False
    """Whether anything is read of it."""

    def key(self, name: str) -> "InferredType":
        """Return what is read of that key, and note that it is read."""
        inferred = self.keys.setdefault(name, InferredType())
        self.read = inferred.read = True
        return inferred

    def item(self) -> "InferredType":
        """Return what is read of each item, and note that items are read."""
        inferred = self.element = self.element or InferredType()
        self.read = inferred.read = True
        return inferred

    def value(self, label: str = "item", number: int = 0, depth: int = 0) -> JsonValue:
        """Return a value that fits: two items for a list, `name 1` for a text. Deep down, one item and less.

        `label`: what it is called. `number`: of the item around it, from 1; 0: there is none.
        """
        if self.keys and depth < DEEPEST:
            return {name: inferred.value(name, number, depth + 1) for name, inferred in self.keys.items()}
        if self.element is not None and depth < DEEPEST:
            items = (1, 2) if depth < DEEP else (1,)
            return [self.element.value(singular(label), item, depth + 1) for item in items]
        if self.example is not None:
            return self.example
        return f"{label} {number}" if number else label


def read_template(template: str, scope: Names, prompts: Mapping[str, str]) -> None:
    """Note in `scope` what the template reads of its names, and what the prompts that it includes read."""
    left, seen = [template], set()
    while left:
        text = left.pop()
        if text in seen or (tree := template_outline.parsed(text)) is None:
            continue
        seen.add(text)
        _TypeReader(dict(scope)).template(tree)
        included = (prompts.get(include.name or "") for include in template_outline.includes(text))
        left += [prompt for prompt in included if prompt is not None]


def read_expression(expression: str, scope: Names) -> InferredType:
    """Note in `scope` what the expression reads of its names. Return what is known of its own value."""
    tree = template_outline.parsed("{{ (" + expression + ") }}")
    found = next(tree.find_all(nodes.Output), None) if tree else None
    try:
        return (_TypeReader(dict(scope)).of(found.nodes[0]) if found else None) or InferredType()
    except RecursionError:
        return InferredType()


class _TypeReader:
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

    def _bind(self, target: nodes.Node, inferred: InferredType | None) -> None:
        """A name that the template makes for itself. Of `for key, value in x.items()`, the value is the second."""
        if isinstance(target, nodes.Name):
            self._scope[target.name] = inferred or InferredType()
        elif isinstance(target, nodes.Tuple):
            for index, item in enumerate(target.items):
                self._bind(item, inferred if index == len(target.items) - 1 else None)

    def of(self, node: Any) -> InferredType | None:
        """What an expression stands for; None where it is not part of a value that is known."""
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
        known = [inferred for child in node.iter_child_nodes() if (inferred := self.of(child))]
        if isinstance(node, _ARITHMETIC) or (isinstance(node, nodes.Add | nodes.Mod) and _has_number(node)):
            _exemplify(known, 1)
        if isinstance(node, nodes.Or | nodes.And):
            return known[0] if known else None
        return self.of(node.expr1) if isinstance(node, nodes.CondExpr) else None

    def _name(self, name: str) -> InferredType | None:
        inferred = self._scope.get(name)
        if inferred:
            inferred.read = True
        return inferred

    def _key(self, inferred: InferredType | None, name: str) -> InferredType | None:
        return inferred.key(name) if inferred else None

    def _item(self, node: nodes.Getitem) -> InferredType | None:
        inferred = self.of(node.node)
        self.of(node.arg)
        if inferred is None or isinstance(node.arg, nodes.Slice):
            return inferred
        value = node.arg.value if isinstance(node.arg, nodes.Const) else None
        if isinstance(value, str):
            return inferred.key(value)
        return inferred.item() if isinstance(value, int) else None

    def _call(self, node: nodes.Call) -> InferredType | None:
        for argument in node.args:
            self.of(argument)
        if not isinstance(node.node, nodes.Getattr):
            return None
        inferred = self.of(node.node.node)
        if inferred is None:
            return None
        if node.node.attr == "get" and node.args and isinstance(node.args[0], nodes.Const):
            return inferred.key(str(node.args[0].value))
        return _values(inferred) if node.node.attr in ("items", "values") else None

    def _filter(self, node: nodes.Filter) -> InferredType | None:
        inferred = self.of(node.node)
        for argument in node.args:
            self.of(argument)
        if inferred is None or node.name in _SAME_TYPE:
            return inferred
        if node.name in _ONE_ITEM:
            return inferred.item()
        if node.name in ("items", "dictsort"):
            return _values(inferred)
        if node.name == "join":
            inferred.item()
        return self._by_attribute(node, inferred)

    def _by_attribute(self, node: nodes.Filter, inferred: InferredType) -> InferredType | None:
        by_keyword = [argument.value for argument in node.kwargs if argument.key == "attribute"]
        given = [*node.args[:1], *by_keyword]
        name = given[0].value if given and isinstance(given[0], nodes.Const) else None
        named = node.name == "groupby" or bool(by_keyword)
        if node.name in _BY_ATTRIBUTE and isinstance(name, str):
            _attribute(inferred.item(), name)
            return inferred
        if node.name in _OF_ATTRIBUTE and isinstance(name, str) and named:
            return InferredType(element=_attribute(inferred.item(), name), read=True)
        return None

    def _compare(self, node: nodes.Compare) -> InferredType | None:
        """A value that makes the comparison come true, where it is one with a constant."""
        inferred = self.of(node.expr)
        for operand in node.ops:
            self.of(operand.expr)
        first = node.ops[0]
        constant = first.expr.value if isinstance(first.expr, nodes.Const) else None
        if inferred is None or constant is None or first.op not in _STEP:
            return None
        step = _STEP[first.op] if isinstance(constant, int | float) and not isinstance(constant, bool) else 0
        _exemplify([inferred], constant + step if step else constant)
        return None


def _attribute(inferred: InferredType, dotted: str) -> InferredType:
    """`a.b` as `map(attribute='a.b')` means it."""
    for name in dotted.split("."):
        inferred = inferred.item() if name.isdigit() else inferred.key(name)
    return inferred


def _values(inferred: InferredType) -> InferredType:
    """What is read of each value of a map whose keys are not known."""
    return InferredType(element=inferred.key("key"), read=True)


def _has_number(node: nodes.BinExpr) -> bool:
    operands = (node.left, node.right)
    return any(isinstance(operand, nodes.Const) and isinstance(operand.value, int | float) for operand in operands)


def singular(label: str) -> str:
    """Return what one of several is called: the label without an `s` at its end."""
    return label[:-1] if len(label) > 1 and label.endswith("s") else label


def _exemplify(inferred_types: list[InferredType], value: JsonValue) -> None:
    for inferred in inferred_types:
        if inferred.example is None:
            inferred.example = value
