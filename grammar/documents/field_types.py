"""The types of single fields: durations, scalars, identifiers, model settings, JSON Schemas."""

from collections.abc import Mapping
from typing import Annotated

from pydantic import AfterValidator, BeforeValidator, JsonValue, WithJsonSchema

from grammar.documents.durations import parse_duration

SUPPORTED = {
    "api_type": ("chat_completions", "responses", "messages"),
    "backend": ("openai_agents", "anthropic_sdk"),
}
COPILOT = (
    "backend 'copilot_sdk' is not supported: it needs GitHub's Copilot program, with somebody logged in; leave it out "
    "and set COPILOT_TOKEN: the same models answer at Copilot's API"
)


def _scalar_text(value: object) -> object:
    """`PORT: 8080` and `DEBUG: true` are what people write for variables."""
    if isinstance(value, bool):
        return str(value).lower()
    return str(value) if isinstance(value, int | float) else value


def _identifier(value: str) -> str:
    if not value.isidentifier():
        raise ValueError("use a Python identifier: letters, digits and _, not starting with a digit")
    return value


def unsupported(settings: Mapping[str, JsonValue]) -> str | None:
    """Return which of a model's settings this version cannot run, with those that it can; None: none of them."""
    if settings.get("backend") == "copilot_sdk":
        return COPILOT
    for name, supported in SUPPORTED.items():
        if name in settings and settings[name] not in supported:
            return f"{name} {settings[name]!r} is not supported; use {' or '.join(supported)}"
    return None


def _map_or_boolean(value: object) -> object:
    if not isinstance(value, dict | bool):
        raise ValueError("must be a JSON Schema: a map, or true or false")
    return value


Seconds = Annotated[float, BeforeValidator(parse_duration), WithJsonSchema({"type": ["string", "number"]})]
"""A duration in seconds, written as `30s`, `5m`, `2h`, `1d` or a number of seconds."""

Text = Annotated[str, BeforeValidator(_scalar_text), WithJsonSchema({"type": ["string", "number", "boolean"]})]
"""A text; a number or a boolean is read as one."""

Identifier = Annotated[str, AfterValidator(_identifier)]
"""A Python identifier."""

Schema = Annotated[
    dict[str, JsonValue] | bool, BeforeValidator(_map_or_boolean), WithJsonSchema({"type": ["object", "boolean"]})
]
"""A JSON Schema (2020-12)."""
