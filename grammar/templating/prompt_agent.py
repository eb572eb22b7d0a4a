"""The personality that a prompt names by `-p NAME` at its start, told before it renders (specification section 3)."""

import re
from collections.abc import Callable, Mapping

from pydantic import JsonValue

_HEAD = re.compile(r"-p[ \t]+(\S+)([ \t]+\n?|\n)?")
_PLAIN = re.compile(r"(?:[^{]|\{(?![{%#]))+")
_COMMENT = re.compile(r"\{#.*?#\}\n?", re.DOTALL)
_INCLUDE = re.compile(r"\{%\s*include\s+(['\"])([^'\"]+)\1\s*%\}\n?")
_VALUE = re.compile(r"\{\{\s*(\w+)((?:\.[A-Za-z_]\w*|\[\s*(?:'[^']*'|\"[^\"]*\")\s*\])+)\s*\}\}")
_KEY = re.compile(r"\.(\w+)|'([^']*)'|\"([^\"]*)\"")
_MOST_INCLUDES = 20


def split(
    template: str, names: Mapping[str, JsonValue], text_of: Callable[[str], str | None]
) -> tuple[str, str] | None:
    """Return the personality, and the template of the rest; None: it names none, or one that is not known yet.

    `names`: the values that are known by then, `globals` and `inputs`. `text_of`: returns a prompt's text by its name.
    """
    known, left, includes = "", template, 0
    while left and "-p".startswith(known[:2]):
        if comment := _COMMENT.match(left):
            left = left[comment.end() :]
        elif value := _VALUE.match(left):
            known, left = known + _value(names.get(value[1]), value[2]), left[value.end() :]
        elif (include := _INCLUDE.match(left)) and includes < _MOST_INCLUDES:
            text = text_of(include[2]) or ""
            left, includes = text.removesuffix("\n") + left[include.end() :], includes + 1
        elif plain := _PLAIN.match(left):
            head = _HEAD.match(known + plain[0])
            if head and (head[2] or plain.end() == len(left)):
                # What a value has after the name would have to stay what it is, and not become a template.
                return (head[1], left[head.end() - len(known) :]) if head.end(1) >= len(known) else None
            known, left = known + plain[0], left[plain.end() :]
        else:
            return None
    head = _HEAD.fullmatch(known)
    return (head[1], "") if head and not (left or head[2]) else None


def _value(found: JsonValue, keys: str) -> str:
    """A value as a template puts it in; a line end, which no name has, where it is no text or number."""
    for key in ("".join(part or "" for part in match.groups()) for match in _KEY.finditer(keys)):
        found = found.get(key) if isinstance(found, dict) else None
    return str(found) if isinstance(found, str | int) else "\n"
