"""Made-up values satisfy their schemas."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grammar.dry_run.placeholder import satisfying
from grammar.dry_run.schema_merge import merged
from grammar.preparing import outputs

TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "value": {"type": "integer"},
                "next": {"$ref": "#/$defs/node"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["value"],
        }
    },
    "$ref": "#/$defs/node",
}

SCHEMAS: list[Any] = [
    True,
    {},
    {"type": "null"},
    {"type": "boolean"},
    {"type": ["null", "string"]},
    {"const": None},
    {"enum": [None, 1]},
    {"enum": ["a", 2], "type": "integer"},
    {"type": "string", "minLength": 20},
    {"type": "string", "maxLength": 3},
    {"type": "string", "format": "date-time"},
    {"type": "string", "pattern": r"^[A-Z]{3}-\d{2,}$"},
    {"type": "string", "pattern": r"^CVE-\d{4}-\d{4,7}$", "minLength": 15},
    {"type": "string", "pattern": r"^(a|b)+[^a-z]?\.(py|js)$"},
    {"type": "string", "pattern": r"(\w)\1"},
    {"type": "string", "pattern": r"^[^a]\W\S\D\s$"},
    {"type": "string", "pattern": r"^(?:[0-9a-f]{2}:){5}[0-9a-f]{2}$"},
    {"type": "integer", "minimum": 30, "multipleOf": 7},
    {"type": "integer", "minimum": 2.5},
    {"type": "integer", "maximum": -3},
    {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    {"type": "number", "multipleOf": 0.5, "minimum": 1.2},
    {"allOf": [{"multipleOf": 4}, {"multipleOf": 6}], "type": "integer"},
    {"type": "object", "required": ["x"]},
    {"type": "object", "properties": {"a": {"type": "string"}, "b": False}, "required": ["a"]},
    {"type": "object", "additionalProperties": {"type": "integer"}, "minProperties": 2},
    {"type": "object", "patternProperties": {"^x": {"type": "integer"}}, "additionalProperties": False},
    {"type": "object", "patternProperties": {"^x": {"type": "integer"}}, "required": ["x1"]},
    {"type": "object", "properties": {"a": {}, "b": {}}, "maxProperties": 1},
    {"type": "array", "items": {"type": "object", "properties": {"id": {"type": "integer"}}}},
    {"type": "array", "items": {"enum": [1, 2, 3, 4]}, "minItems": 3, "uniqueItems": True},
    {"type": "array", "contains": {"const": 5}, "minContains": 2},
    {"type": "array", "prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False},
    {"type": "array", "maxItems": 1},
    {"anyOf": [{"type": "string", "minLength": 1}, {"type": "null"}]},
    {"oneOf": [{"type": "integer"}, {"type": "number", "minimum": 5}]},
    {"anyOf": [{"type": "string"}, {"type": "integer"}], "allOf": [{"anyOf": [{"type": "integer"}, {"type": "null"}]}]},
    {"allOf": [{"anyOf": [{"type": "string"}, {"type": "null"}]}, {"anyOf": [{"type": "null"}, {"type": "array"}]}]},
    {"type": "object", "allOf": [{"required": ["a"]}, {"required": ["b"], "properties": {"b": {"type": "integer"}}}]},
    {"not": {"type": "string"}},
    {
        "type": "object",
        "properties": {"kind": {"enum": ["a", "b"]}},
        "required": ["kind"],
        "if": {"properties": {"kind": {"const": "a"}}},
        "then": {"required": ["z"], "properties": {"z": {"type": "integer"}}},
    },
    TREE,
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=str)
def test_it_satisfies_the_schema(schema: Any) -> None:
    found = satisfying(schema)
    assert found is not None
    assert outputs.complaints(found[0], schema) == []


@pytest.mark.parametrize(
    "schema",
    [False, {"enum": [1], "type": "string"}, {"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}],
    ids=str,
)
def test_none_where_there_is_none(schema: Any) -> None:
    assert satisfying(schema) is None


def test_optional_properties_are_there_too_and_lists_have_two_items() -> None:
    item = {"type": "object", "properties": {"name": {"type": "string"}, "line": {"type": "integer"}}}
    schema: Any = {"type": "object", "properties": {"functions": {"type": "array", "items": item}}}
    assert satisfying(schema) == ({"functions": [{"name": "name 1", "line": 1}, {"name": "name 2", "line": 2}]},)


def test_what_is_read_later_is_there_as_far_as_the_schema_allows() -> None:
    hint: Any = {"name": "name", "rows": [{"x": "x 1"}, {"x": "x 2"}]}
    assert satisfying({"type": "object"}, hint) == (hint,)
    closed: Any = {"type": "object", "properties": {"name": {"type": "integer"}}, "additionalProperties": False}
    assert satisfying(closed, hint) == ({"name": 1},)
    assert satisfying({"type": "string"}, hint) == ("dry run",)


def test_a_default_and_an_example_are_taken() -> None:
    assert satisfying({"type": "string", "default": "main"}) == ("main",)
    assert satisfying({"type": "string", "examples": ["x.py"]}) == ("x.py",)


SCALARS = st.one_of(
    st.just({"type": "null"}),
    st.just({"type": "boolean"}),
    st.builds(lambda values: {"enum": values}, st.lists(st.integers() | st.text(max_size=3), min_size=1, max_size=3)),
    st.builds(
        lambda low, size: {"type": "string", "minLength": low, "maxLength": low + size},
        st.integers(0, 30), st.integers(0, 5),
    ),
    st.builds(
        lambda low, size: {"type": "integer", "minimum": low, "maximum": low + size},
        st.integers(-50, 50), st.integers(0, 5),
    ),
    st.builds(
        lambda low, size: {"type": "number", "exclusiveMinimum": low, "exclusiveMaximum": low + size},
        st.integers(-50, 50), st.integers(1, 5),
    ),
)  # fmt: skip


def _larger(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    names = st.dictionaries(st.sampled_from("abcd"), inner, max_size=3)
    return st.one_of(
        st.builds(lambda few, least: {"type": "array", "items": few, "minItems": least}, inner, st.integers(0, 4)),
        st.builds(lambda several: {"type": "object", "properties": several, "required": sorted(several)}, names),
        st.builds(lambda several: {"type": "object", "properties": several, "additionalProperties": False}, names),
        st.builds(lambda choices: {"anyOf": choices}, st.lists(inner, min_size=1, max_size=3)),
        st.builds(lambda one: {"$defs": {"one": one}, "allOf": [{"$ref": "#/$defs/one"}]}, SCALARS),
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.recursive(SCALARS, _larger, max_leaves=8))
def test_any_small_schema(schema: Any) -> None:
    # `$defs` may stand in the middle, where `#/$defs/one` does not lead: such a schema is refused before a run.
    if outputs.malformed(schema):
        return
    found = satisfying(schema)
    assert found is not None
    assert outputs.complaints(found[0], schema) == []


def test_merged_schemas_ask_for_both() -> None:
    assert merged({"minimum": 1, "type": "number"}, {"minimum": 3, "type": "integer"}) == {
        "minimum": 3,
        "type": ["integer"],
    }
    assert merged({"type": "string"}, {"type": "null"}) is False
    assert merged(True, {"a": 1}) == {"a": 1}
