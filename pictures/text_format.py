"""Values and texts as a picture shows them: as JSON, in one line, cut, without what only our program reads."""

import re
from json import dumps

from pydantic import JsonValue

_REFERENCE = re.compile(r"⟦env:([^:|⟧]+)(?:\|json)?:[0-9a-f]+⟧")


def as_text(value: JsonValue, indent: int | None = None) -> str:
    """Return a value as JSON; a text as it is."""
    return value if isinstance(value, str) else dumps(value, ensure_ascii=False, indent=indent)


def one_line(text: str, max_length: int) -> str:
    """Return a text in one line, cut to `max_length` characters with its length after it."""
    return cut(" ".join(text.split()), max_length)


def cut(text: str, max_length: int) -> str:
    """Return the first `max_length` characters of a text, and after them how long all of it is."""
    return text if len(text) <= max_length else f"{text[:max_length]}… ({len(text):,} characters)"


def truncate(line: str, max_length: int) -> str:
    """Return a line of at most `max_length` characters, its ellipsis included."""
    return line if len(line) <= max_length else f"{line[: max_length - 1]}…"


def readable_references(text: str) -> str:
    """Return a text in which each reference to a variable is its name alone: `⟦TOKEN⟧`."""
    return _REFERENCE.sub(r"⟦\1⟧", text)
