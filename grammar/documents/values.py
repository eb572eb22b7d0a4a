"""Tool results read as values, and values read as items (specification section 5)."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, JsonValue, TypeAdapter

from grammar.errors import NotIterable, NoValue

SHOWN = 200
SHELL = "shell"

_JSON: TypeAdapter[JsonValue] = TypeAdapter(JsonValue)

T = TypeVar("T", bound=JsonValue)


class StoredDocument(BaseModel):
    """A document in payload storage, too large to be carried around (docs/decisions/0009)."""

    key: str
    """The SHA-256 of its bytes, in hex."""
    size: int
    """How many bytes it has."""
    form: Literal["value", "given", "text"]
    """What is in it: one JSON value, a BranchOutput as JSON, or a script's stdout."""


class ToolResult(BaseModel):
    """What one tool call, or one shell script, gave."""

    tool_name: str
    """The tool's name; `shell` for a script; empty where it is in `stored`."""
    text: str = ""
    """The text that it gave; empty where it is in `stored`."""
    structured: JsonValue = None
    """The structured content that it gave; None: it gave none, or it is in `stored`."""
    stored: StoredDocument | None = None
    """Where it is; None: it is here."""
    position: int = 0
    """Which of the tool results in `stored` it is, from 0."""


class BranchOutput(BaseModel):
    """What one branch gave, as it is stored."""

    value: JsonValue = None
    """The branch's value."""
    tool_results: list[ToolResult] = []
    """What its tools gave, in the order of the calls."""


class Value(BaseModel):
    """A value, here or in payload storage."""

    value: JsonValue = None
    """The value; None where it is in `stored`."""
    stored: StoredDocument | None = None
    """Where it is; None: it is here."""


def encodable(value: T) -> T:
    """Return the value with `?` for each half of a character: JSON can escape one, and UTF-8 cannot hold it.

    Raises ValueError and RecursionError for what JSON cannot hold.
    """
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        return json.loads(text.encode(errors="replace"))  # type: ignore[no-any-return]
    return value


def read(result: ToolResult) -> JsonValue:
    """Return the result's value: `structured`, else the text as JSON. Raises ValueError for text that is none."""
    if result.structured is not None:
        return result.structured
    value: JsonValue = json.loads(result.text, parse_constant=_not_json)
    return encodable(value)


def read_or_text(result: ToolResult) -> JsonValue:
    """Return the value that `outputs.<id>` holds: the raw text where it is not JSON."""
    try:
        return read(result)
    except (ValueError, RecursionError):
        return result.text


def stored_value(file: Path, form: str) -> JsonValue:
    """Return the value of a stored document of that form, which is in `file`."""
    if form == "text":
        return read_or_text(stored_result(file, form, 0))
    if form == "given":
        return BranchOutput.model_validate_json(file.read_bytes()).value
    return _JSON.validate_json(file.read_bytes())


def stored_result(file: Path, form: str, position: int) -> ToolResult:
    """Return the tool result at `position`, from 0, of a stored document of that form, which is in `file`."""
    if form == "text":
        return ToolResult(tool_name=SHELL, text=file.read_text(encoding="utf-8"))
    return BranchOutput.model_validate_json(file.read_bytes()).tool_results[position]


def read_to_repeat(result: ToolResult | None, mask: Callable[[str], str] = str) -> JsonValue:
    """Return the value that a `repeat_prompt` without `over` runs over. Raises NoValue for None, and NotIterable.

    `mask`: takes the secrets out of a text that an error quotes.
    """
    if result is None:
        raise NoValue("repeat_prompt has nothing to repeat over: no earlier task produced a result (or write `over`)")
    try:
        return read(result)
    except (ValueError, RecursionError):
        shown = mask(result.text)[:SHOWN]
        raise NotIterable(f"repeat_prompt: the last result ({result.tool_name}) is not JSON: {shown!r}") from None


def items_of(value: JsonValue, mask: Callable[[str], str] = str) -> list[JsonValue]:
    """Return the items of a list, or the keys of a map. Raises NotIterable.

    `mask`: takes the secrets out of a text that an error quotes.
    """
    if isinstance(value, list):
        return value
    if isinstance(value, dict):
        return list(value)
    kind = {str: "text", bool: "a boolean", int: "a number", float: "a number"}.get(type(value), "null")
    raise NotIterable(f"can repeat over a list or a map, not over {kind}: {mask(json.dumps(value))[:SHOWN]}")


def _not_json(constant: str) -> JsonValue:
    raise ValueError(f"{constant} is not JSON")
