"""A value that satisfies a JSON Schema (2020-12), made up (dry runs). Pure; the best of several tries is checked."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

from jsonschema import Draft202012Validator
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from grammar.documents.field_types import Schema
from grammar.dry_run.inferred_types import DEEP, singular
from grammar.dry_run.regex_sample import sample
from grammar.dry_run.schema_merge import merged
from grammar.preparing import outputs

DEEPEST = 40
MOST_ITEMS = 1_000

_FORMATS = {
    "date-time": "2020-01-01T00:00:00Z", "date": "2020-01-01", "time": "00:00:00Z", "duration": "P1D",
    "email": "name@example.com", "idn-email": "name@example.com", "hostname": "example.com",
    "idn-hostname": "example.com", "ipv4": "192.0.2.1", "ipv6": "2001:db8::1", "uri": "https://example.com/",
    "uri-reference": "/", "iri": "https://example.com/", "iri-reference": "/", "uri-template": "/{id}",
    "uuid": "00000000-0000-4000-8000-000000000000", "json-pointer": "/name", "relative-json-pointer": "0",
    "regex": ".*",
}  # fmt: skip
_OF_KEYWORD = {
    "object": ("properties", "required", "additionalProperties", "patternProperties", "minProperties"),
    "array": ("items", "prefixItems", "minItems", "contains", "uniqueItems"),
    "string": ("pattern", "format", "minLength", "maxLength"),
    "number": ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
}


class _Unsatisfiable(Exception):
    """No value was found."""


def satisfying(schema: Schema, hint: JsonValue = None) -> tuple[JsonValue] | None:
    """Return a tuple with a value that fits the schema, as near to the hint as that allows; None: none was found."""
    generator = _Generator(schema)
    for lean, wanted in ((False, hint), (True, hint), (False, None), (True, None)):
        try:
            value = generator.make(generator.root, _Position(hint=wanted, lean=lean))
        except (_Unsatisfiable, RecursionError, Unresolvable, ArithmeticError):
            continue
        if not outputs.complaints(value, schema):
            return (value,)
    return None


@dataclass(frozen=True)
class _Position:
    """Where in the value we are, and what is wanted there."""

    label: str = "dry run"
    """What the value is called."""
    hint: JsonValue = None
    """What it is to be like; None: anything."""
    number: int = 0
    """The number of the item around it, from 1; 0: there is none."""
    depth: int = 0
    """How deep it is nested."""
    lean: bool = False
    """Whether only what is required is made."""
    refs: frozenset[str] = field(default_factory=frozenset)
    """The references that led here."""

    @property
    def text(self) -> str:
        return f"{self.label} {self.number}" if self.number else self.label

    def inner(self, **changes: Any) -> "_Position":
        return replace(self, depth=self.depth + 1, lean=self.lean or self.depth >= DEEP, **changes)


class _Generator:
    def __init__(self, root: Schema) -> None:
        self._validator = outputs.validator(root)
        self.root: Any = self._validator.schema
        self._resolver = Registry().resolver_with_root(DRAFT202012.create_resource(self.root))

    def make(self, schema: Any, position: _Position) -> JsonValue:
        if schema is False or position.depth > DEEPEST:
            raise _Unsatisfiable
        if schema is True or schema == {}:
            return position.text if position.hint is None else position.hint
        for suggested in self._suggested(schema, position):
            if self._fits(suggested, schema):
                return suggested
        last: JsonValue = None
        made = False
        for simple, inner in self._simple(schema, position):
            try:
                last, made = self._of_type(simple, inner), True
            except _Unsatisfiable:
                continue
            if self._fits(last, schema):
                return last
        if not made:
            raise _Unsatisfiable
        return last

    def _suggested(self, schema: dict[str, Any], position: _Position) -> Iterator[JsonValue]:
        """Values that the schema itself names, and the hint."""
        if position.hint is not None and not isinstance(position.hint, dict | list):
            yield position.hint
        if "const" in schema:
            yield schema["const"]
        choices = schema.get("enum") or []
        turn = max(position.number - 1, 0) % len(choices) if choices else 0
        yield from (*choices[turn:], *choices[:turn])
        if position.hint is None:
            yield from (schema[name] for name in ("default",) if name in schema)
            yield from schema.get("examples") or []

    def _simple(self, given: dict[str, Any], position: _Position) -> Iterator[tuple[dict[str, Any], _Position]]:
        """The schema without references and combinators: one for each way through them."""
        schema: Any = dict(given)
        for name in ("$ref", "$dynamicRef"):
            if reference := schema.pop(name, None):
                target = self._resolver.lookup(reference).contents
                again = reference in position.refs
                position = replace(
                    position, depth=position.depth + 1, lean=position.lean or again, refs=position.refs | {reference}
                )
                yield from self._branch(schema, target, position)
                return
        for name in ("anyOf", "oneOf"):
            if choices := schema.pop(name, None):
                for choice in choices:
                    yield from self._branch(schema, choice, position)
                return
        if (condition := schema.pop("if", None)) is not None:
            then, otherwise = schema.pop("then", True), schema.pop("else", True)
            yield from self._branch(merged(schema, condition), then, position)
            yield from self._branch(schema, otherwise, position)
            return
        if parts := schema.pop("allOf", None):
            for part in parts:
                schema = merged(schema, part)
            yield from self._branch(True, schema, position)
            return
        yield schema, position
        if "not" in schema and "type" not in schema:
            yield from (({**schema, "type": kind}, position) for kind in (*_OF_KEYWORD, "boolean", "null"))

    def _branch(self, schema: Any, part: Any, position: _Position) -> Iterator[tuple[dict[str, Any], _Position]]:
        both = merged(schema, part)
        if both is False or position.depth > DEEPEST:
            return
        yield from self._simple({} if both is True else both, position)

    def _of_type(self, schema: dict[str, Any], position: _Position) -> JsonValue:
        for suggested in self._suggested(schema, position):
            if self._fits(suggested, schema):
                return suggested
        by_type: dict[str, Callable[[dict[str, Any], _Position], JsonValue]] = {
            "object": self._object,
            "array": self._array,
            "string": _string,
            "integer": _integer,
            "number": _number,
            "boolean": lambda _schema, _position: True,
            "null": lambda _schema, _position: None,
        }
        return by_type[_type(schema, position.hint)](schema, position)

    def _object(self, schema: dict[str, Any], position: _Position) -> JsonValue:
        hints = position.hint if isinstance(position.hint, dict) else {}
        required = list(schema.get("required", ()))
        names = list(dict.fromkeys([*required, *([] if position.lean else schema.get("properties", {})), *hints]))
        names = names[: max(len(required), int(schema.get("maxProperties", len(names))))]
        least = int(schema.get("minProperties", 0))
        if least > MOST_ITEMS:
            raise _Unsatisfiable
        names += [f"key {number}" for number in range(1, least - len(names) + 1)]
        properties = {}
        for name in names:
            try:
                inner = position.inner(label=name, hint=hints.get(name), number=position.number)
                properties[name] = self.make(_property(schema, name), inner)
            except _Unsatisfiable:
                if name in required:
                    raise
        return properties

    def _array(self, schema: dict[str, Any], position: _Position) -> JsonValue:
        hints = position.hint if isinstance(position.hint, list) else []
        first = schema.get("prefixItems", [])
        contains = schema.get("contains", True)
        count = len(first) if position.lean else max(len(hints), len(first), 2)
        count = max(count, int(schema.get("minItems", 0)), int(schema.get("minContains", "contains" in schema)))
        if count > MOST_ITEMS:
            raise _Unsatisfiable
        values: list[JsonValue] = []
        for index in range(min(count, int(schema.get("maxItems", count)))):
            part = first[index] if index < len(first) else merged(schema.get("items", True), contains)
            hint = hints[index % len(hints)] if hints else None
            try:
                value = self.make(part, position.inner(label=singular(position.label), hint=hint, number=index + 1))
            except _Unsatisfiable:
                break
            if not (schema.get("uniqueItems") and value in values):
                values.append(value)
        return values

    def _fits(self, value: JsonValue, schema: Schema) -> bool:
        return bool(self._validator.evolve(schema=schema).is_valid(value))


def _type(schema: dict[str, Any], hint: JsonValue) -> str:
    named = schema.get("type")
    if isinstance(named, str):
        return named
    kinds = list(named or ())
    own = {dict: "object", list: "array", str: "string", bool: "boolean", int: "integer", float: "number"}.get(
        type(hint)
    )
    if own and (own in kinds or not kinds):
        return own
    likely = [kind for kind, keywords in _OF_KEYWORD.items() if any(keyword in schema for keyword in keywords)]
    return next((kind for kind in (likely or ["string"]) if not kinds or kind in kinds), (kinds or ["string"])[0])


def _property(schema: dict[str, Any], name: str) -> Any:
    if name in schema.get("properties", {}):
        return schema["properties"][name]
    for pattern, part in schema.get("patternProperties", {}).items():
        if Draft202012Validator({"pattern": pattern}).is_valid(name):
            return part
    return schema.get("additionalProperties", True)


def _string(schema: dict[str, Any], position: _Position) -> str:
    least, most = int(schema.get("minLength", 0)), schema.get("maxLength")
    if least > MOST_ITEMS**2:
        raise _Unsatisfiable
    if "pattern" in schema:
        return sample(str(schema["pattern"]), least)
    text = _FORMATS.get(str(schema.get("format")), position.text)
    return text.ljust(least, ".")[: int(most) if most is not None else None]


def _integer(schema: dict[str, Any], position: _Position) -> int:
    step = schema.get("multipleOf", 1)
    # The least common multiple of a fraction and 1: what is whole and a multiple of both.
    whole = next((step * n for n in range(1, MOST_ITEMS) if float(step * n).is_integer()), step)
    return int(_within({**schema, "multipleOf": int(whole)}, position))


def _number(schema: dict[str, Any], position: _Position) -> int | float:
    return _within(schema, position)


def _within(schema: dict[str, Any], position: _Position) -> int | float:
    """The number of the item, or the nearest one that the bounds allow."""
    step = schema.get("multipleOf")
    by = step or 1
    low = [schema["minimum"]] if "minimum" in schema else []
    low += [_next(schema["exclusiveMinimum"], by, schema)] if "exclusiveMinimum" in schema else []
    high = [schema["maximum"]] if "maximum" in schema else []
    high += [_next(schema["exclusiveMaximum"], -by, schema)] if "exclusiveMaximum" in schema else []
    value: int | float = max(position.number, 1)
    value = max([value, *low])
    value = min([value, *high])
    if not step:
        return value
    multiple = -(-value // step) * step
    return multiple if not high or multiple <= min(high) else (value // step) * step  # type: ignore[no-any-return]


def _next(bound: float, by: float, schema: dict[str, Any]) -> float:
    """The next number beyond an exclusive bound; half way to the other bound where that is nearer."""
    others: list[float] = [
        schema[name] for name in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum") if name in schema
    ]
    others = [other for other in others if other != bound and (other > bound) == (by > 0)]
    near = [other for other in others if abs(other - bound) <= abs(by)]
    if near and not isinstance(schema.get("multipleOf"), int):
        return bound + (near[0] - bound) / 2
    return bound + by
