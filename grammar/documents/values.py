"""Tool results read as values, and values read as items (specification section 5)."""

import json
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, JsonValue, TypeAdapter

from grammar.errors import NotIterable, NoValue

SHOWN = 200
SHELL = "shell"

_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)

T = TypeVar("T", bound=JsonValue)


class Stored(BaseModel):
    """A document in payload storage, too large to be carried around (docs/decisions/0009).

    `key`: SHA-256 of its bytes; `size`: how many. `form`: one JSON value; what a branch gave, as Given; or a
    script's stdout, which is a tool result's text.
    """

    key: str
    size: int
    form: Literal["value", "given", "text"]


class ToolResult(BaseModel):
    """What one tool call, or one shell script, gave. `stored`: it is there, number `position` of its results."""

    tool_name: str
    text: str = ""
    structured: JsonValue = None
    stored: Stored | None = None
    position: int = 0


class Given(BaseModel):
    """What one branch gave, as it is stored."""

    value: JsonValue = None
    tool_results: list[ToolResult] = []


class Value(BaseModel):
    """A value, here or stored."""

    value: JsonValue = None
    stored: Stored | None = None


def encodable(value: T) -> T:
    """The value with `?` for each half of a character: JSON can escape one, and UTF-8 cannot hold it.

    Raises ValueError and RecursionError for what JSON cannot hold.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode(errors="replace"))  # type: ignore[no-any-return]
    return value


def read(result: ToolResult) -> JsonValue:
    """`structured`, else the text as JSON. Raises ValueError for text that is none."""
    if result.structured is not None:
        return result.structured
    value: JsonValue = json.loads(result.text, parse_constant=_not_json)
    return encodable(value)


def read_or_text(result: ToolResult) -> JsonValue:
    """The value that `outputs.<id>` holds: the raw text where it is not JSON."""
    try:
        return read(result)
    except (ValueError, RecursionError):
        return result.text


def stored_value(file: Path, form: str) -> JsonValue:
    """The value of a stored document, which is in that file."""
    if form == "text":
        return read_or_text(stored_result(file, form, 0))
    if form == "given":
        return Given.model_validate_json(file.read_bytes()).value
    return _JSON.validate_json(file.read_bytes())


def stored_result(file: Path, form: str, position: int) -> ToolResult:
    """One of the tool results of a stored document, which is in that file."""
    if form == "text":
        return ToolResult(tool_name=SHELL, text=file.read_text(encoding="utf-8"))
    return Given.model_validate_json(file.read_bytes()).tool_results[position]


def read_to_repeat(result: ToolResult | None) -> JsonValue:
    """The value an implicit `repeat_prompt` runs over. Raises NoValue, NotIterable."""
    if result is None:
        raise NoValue("repeat_prompt has nothing to repeat over: no earlier task produced a result (or write `over`)")
    try:
        return read(result)
    except (ValueError, RecursionError):
        shown = result.text[:SHOWN]
        raise NotIterable(f"repeat_prompt: the last result ({result.tool_name}) is not JSON: {shown!r}") from None


def items_of(value: JsonValue) -> list[JsonValue]:
    """The items of a list, or the keys of a map. Raises NotIterable."""
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return list(value)
    kind = {str: "text", bool: "a boolean", int: "a number", float: "a number"}.get(type(value), "null")
    raise NotIterable(f"can repeat over a list or a map, not over {kind}: {json.dumps(value)[:SHOWN]}")


def _not_json(constant: str) -> JsonValue:
    raise ValueError(f"{constant} is not JSON")
