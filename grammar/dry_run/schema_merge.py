"""Two JSON Schemas as one that asks for both, as well as one schema can say it. Pure."""

import math
from collections.abc import Callable
from typing import Any

# One schema has only one of each: a second one goes under `allOf`.
_APART = ("$ref", "$dynamicRef", "anyOf", "oneOf", "if")


def merged(one: Any, other: Any) -> Any:
    """A schema that asks for what both ask for; False where they cannot agree."""
    if one is False or other is False:
        return False
    if one is True or other is True:
        return other if one is True else one
    rest, apart = dict(other), []
    for name in _APART:
        if name in one and name in rest:
            names = ("if", "then", "else") if name == "if" else (name,)
            apart.append({part: rest.pop(part) for part in names if part in rest})
    result = {
        **one,
        **{name: _MERGE.get(name, _other)(one[name], rest[name]) if name in one else rest[name] for name in rest},
    }
    if apart:
        result["allOf"] = [*result.get("allOf", ()), *apart]
    return False if result.get("enum") == [] or result.get("type") == [] else result


def _other(_one: Any, other: Any) -> Any:
    return other


def _multiple(one: float, other: float) -> float:
    whole = float(one).is_integer() and float(other).is_integer()
    return math.lcm(int(one), int(other)) if whole else one * other


def _neither(one: Any, other: Any) -> Any:
    return {"anyOf": [one, other]}


def _union(one: list[Any], other: list[Any]) -> list[Any]:
    return [*one, *(value for value in other if value not in one)]


def _shared(one: list[Any], other: list[Any]) -> list[Any]:
    return [value for value in one if value in other]


def _types(one: Any, other: Any) -> list[str]:
    first, second = ([kind] if isinstance(kind, str) else list(kind) for kind in (one, other))
    if "number" in first and "integer" in second and "integer" not in first:
        first.append("integer")
    if "number" in second and "integer" in first and "integer" not in second:
        second.append("integer")
    return _shared(first, second)


def _by_name(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    both = {name: merged(one[name], other[name]) for name in one if name in other}
    return {**one, **other, **both}


def _sum(one: list[Any], other: list[Any]) -> list[Any]:
    return [*one, *other]


_MERGE: dict[str, Callable[[Any, Any], Any]] = {
    "properties": _by_name,
    "patternProperties": _by_name,
    "required": _union,
    "type": _types,
    "enum": _shared,
    "allOf": _sum,
    "items": merged,
    "additionalProperties": merged,
    "contains": merged,
    "not": _neither,
    "multipleOf": _multiple,
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties", "minContains"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties", "maxContains"), min),
}
