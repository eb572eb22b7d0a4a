"""What a task's `outputs` ask of its value: JSON Schema 2020-12, strictly (specification sections 3 and 5). Pure."""

import json
import warnings
from collections.abc import Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from jsonschema import Draft202012Validator, SchemaError, ValidationError
from jsonschema.exceptions import best_match
from pydantic import JsonValue
from referencing import Registry
from referencing.exceptions import Unresolvable
from referencing.jsonschema import DRAFT202012

from grammar.documents.field_types import Schema

SHOWN = 200
MOST = 5
MOST_VALUES = 10_000


_DIALECT = "https://json-schema.org/draft/2020-12/schema"


class _InvalidSchema(Exception):
    """What is wrong with a schema, as a person should hear it."""


def size(schema: JsonValue) -> int:
    """Return how many values the schema is written with."""
    if isinstance(schema, dict | list):
        return 1 + sum(map(size, schema.values() if isinstance(schema, dict) else schema))
    return int(schema is not None)


def malformed(schema: Schema) -> str | None:
    """Return what is wrong with the schema itself; None: nothing."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of a pattern that Python may read differently some day
            _check(schema)
    except SchemaError as error:
        return f"not a JSON Schema: {_position(error)}{error.message[:SHOWN]}"
    except (_InvalidSchema, OverflowError) as error:
        return f"not a JSON Schema: {error}"
    except RecursionError:
        return "not a JSON Schema: nested too deeply"
    return None


def _check(schema: Schema) -> None:
    """The schema, and what its references lead to: that may stand where no schema is looked for."""
    schema = _plain(schema)
    Draft202012Validator.check_schema(schema)
    root = DRAFT202012.create_resource(schema)
    seen: set[int] = set()
    targets = [(schema, Registry().resolver_with_root(root))]
    while targets:
        contents, resolver = targets.pop(0)
        if id(contents) not in seen:
            if contents is not schema:
                Draft202012Validator.check_schema(contents)
            targets += _targets(contents, resolver, seen)


def _targets(schema: Schema, resolver: Any, seen: set[int]) -> Iterator[tuple[Schema, Any]]:
    """What the references in a schema lead to. `seen`: the schemas looked at, by identity."""
    left = [(DRAFT202012.create_resource(schema), resolver)]
    while left:
        part, inner = left.pop()
        if id(part.contents) in seen:
            continue
        seen.add(id(part.contents))
        _check_addresses(part.contents)
        for name in ("$ref", "$dynamicRef"):
            if isinstance(part.contents, dict) and name in part.contents:
                target = _looked_up(part.contents[name], inner)
                yield target.contents, target.resolver
        left += [(child, inner.in_subresource(child)) for child in part.subresources()]


def _looked_up(reference: str, resolver: Any) -> Any:
    """What a reference leads to. It may be no reference at all, or lead through what is no schema."""
    try:
        return resolver.lookup(reference)
    except (Unresolvable, ValueError, TypeError, AttributeError):
        message = f"$ref {reference!r} is not in the schema; it must be complete in itself"
        raise _InvalidSchema(message) from None


def _check_addresses(part: Schema) -> None:
    if not isinstance(part, dict):
        return
    try:
        urlsplit(str(part.get("$id", "")))
    except ValueError:
        raise _InvalidSchema(f"$id {part['$id']!r} is not a URL") from None
    if part.get("$schema", _DIALECT) != _DIALECT:
        raise _InvalidSchema(f"$schema {part['$schema']!r} within it: only {_DIALECT} is possible there")


def _plain(schema: Schema) -> Schema:
    """The schema without its dialect: whatever it says, it is read as 2020-12."""
    return {name: part for name, part in schema.items() if name != "$schema"} if isinstance(schema, dict) else schema


def is_closed(schema: Schema) -> bool:
    """Return whether each object in it has all its properties required, and no others: what "strict" APIs ask for."""
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
    """Return how the value breaks the schema, a line each, the first few; empty: it does not."""
    try:
        errors = list(islice(validator(schema).iter_errors(value), MOST))
    except RecursionError:
        return ["the value: nested too deeply, or the schema refers to itself without end"]
    return [_complaint(best_match([error]) or error) for error in errors]


def validator(schema: Schema) -> Draft202012Validator:
    """Return a validator for the schema. Its registry is empty: a `$ref` to somewhere else is not fetched."""
    return Draft202012Validator(_plain(schema), registry=Registry())


def _complaint(error: ValidationError) -> str:
    return f"{_position(error) or 'the value: '}{error.message[:SHOWN]}"


def _position(error: ValidationError | SchemaError) -> str:
    path = "".join(f"[{json.dumps(step)}]" if isinstance(step, int) else f".{step}" for step in error.absolute_path)
    return f"{path.removeprefix('.')}: " if path else ""
