"""Two JSON Schemas as one that asks for both, as well as one schema can say it. Pure."""

import math
from collections.abc import Callable
from typing import Any

# One schema has only one of each: a second one goes under `allOf`.
_APART = ("$ref", "$dynamicRef", "anyOf", "oneOf", "if")


def merged(left: Any, right: Any) -> Any:
    """Return a schema that asks for what both ask for; False where they cannot agree."""
    if left is False or right is False:
        return False
    if left is True or right is True:
        return right if left is True else left
    rest, apart = dict(right), []
    for name in _APART:
        if name in left and name in rest:
            names = ("if", "then", "else") if name == "if" else (name,)
            apart.append({part: rest.pop(part) for part in names if part in rest})
    result = {
        **left,
        **{
            name: _MERGE.get(name, _take_right)(left[name], rest[name]) if name in left else rest[name] for name in rest
        },
    }
    if apart:
        result["allOf"] = [*result.get("allOf", ()), *apart]
    return False if result.get("enum") == [] or result.get("type") == [] else result


def _take_right(_left: Any, right: Any) -> Any:
    return right


def _multiple(left: float, right: float) -> float:
    whole = float(left).is_integer() and float(right).is_integer()
    return math.lcm(int(left), int(right)) if whole else left * right


def _neither(left: Any, right: Any) -> Any:
    return {"anyOf": [left, right]}


def _union(left: list[Any], right: list[Any]) -> list[Any]:
    return [*left, *(value for value in right if value not in left)]


def _shared(left: list[Any], right: list[Any]) -> list[Any]:
    return [value for value in left if value in right]


def _types(left: Any, right: Any) -> list[str]:
    first, second = ([kind] if isinstance(kind, str) else list(kind) for kind in (left, right))
    if "number" in first and "integer" in second and "integer" not in first:
        first.append("integer")
    if "number" in second and "integer" in first and "integer" not in second:
        second.append("integer")
    return _shared(first, second)


def _by_name(left: dict[str, Any], right: dict[str, Any]) -> dict[str, Any]:
    both = {name: merged(left[name], right[name]) for name in left if name in right}
    return {**left, **right, **both}


def _sum(left: list[Any], right: list[Any]) -> list[Any]:
    return [*left, *right]


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
