"""What a task's `outputs` ask of its value: JSON Schema 2020-12, strictly (GRAMMAR.md sections 3 and 5). Pure."""

import json
from itertools import islice
from typing import Any

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.exceptions import best_match
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from grammar.models import Schema

SHOWN = 200
MOST = 5


class _Unknown(Exception):
    """A `$ref` that leads nowhere."""


def malformed(schema: Schema) -> str | None:
    """What is wrong with the schema itself, if anything is."""
    try:
        Draft202012Validator.check_schema(schema)
        _resolve_references(schema)
    except SchemaError as error:
        return f"not a JSON Schema: {_place(error)}{error.message[:SHOWN]}"
    except _Unknown as unknown:
        return f"not a JSON Schema: $ref {str(unknown)!r} is not in the schema; it must be complete in itself"
    except RecursionError:
        return "not a JSON Schema: nested too deeply"
    return None


def _resolve_references(schema: Schema) -> None:
    root = DRAFT202012.create_resource(schema)
    left = [(root, Registry().resolver_with_root(root))]
    while left:
        part, resolver = left.pop()
        if isinstance(part.contents, dict) and isinstance(reference := part.contents.get("$ref"), str):
            try:
                resolver.lookup(reference)
            except Unresolvable:
                raise _Unknown(reference) from None
        left += [(child, resolver.in_subresource(child)) for child in part.subresources()]


def is_closed(schema: Schema) -> bool:
    """Whether each object in it has all its properties required, and no others: what "strict" APIs ask for."""
    left = [DRAFT202012.create_resource(schema)]
    while left:
        part = left.pop()
        if isinstance(part.contents, dict) and "properties" in part.contents and not _all_required(part.contents):
            return False
        left += part.subresources()
    return True


def _all_required(part: dict[str, Any]) -> bool:
    return part.get("additionalProperties") is False and set(part["properties"]) == set(part.get("required", ()))


def complaints(value: JsonValue, schema: Schema) -> list[str]:
    """How the value breaks the schema: one line each, the first few."""
    try:
        errors = list(islice(_validator(schema).iter_errors(value), MOST))
    except RecursionError:
        return ["the value: nested too deeply, or the schema refers to itself without end"]
    return [_said(best_match([error]) or error) for error in errors]


def _validator(schema: Schema) -> Draft202012Validator:
    # An empty registry: a `$ref` to somewhere else is not fetched.
    return Draft202012Validator(schema, registry=Registry())


def _said(error: ValidationError) -> str:
    return f"{_place(error) or 'the value: '}{error.message[:SHOWN]}"


def _place(error: ValidationError | SchemaError) -> str:
    path = "".join(f"[{json.dumps(step)}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    return f"{path.removeprefix('.')}: " if path else ""
