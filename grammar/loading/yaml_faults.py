"""What a YAML parser complains of, as a person may have come by it, with the line itself and a caret."""

import re
from collections.abc import Callable
from dataclasses import dataclass

import yaml

from grammar.problems import Problem

_SHOWN = 100
_FIELD = re.compile(r"\s*(?:- +)*[\w-]+:(?:\s|$)")


@dataclass(frozen=True)
class _Place:
    """A place in the text: its line and column, from 0."""

    lines: list[str]
    line: int
    column: int

    @property
    def text(self) -> str:
        """Return the line."""
        return self.lines[self.line] if self.line < len(self.lines) else ""

    @property
    def sign(self) -> str:
        """Return the character at the place; empty at the end of the line."""
        return self.text[self.column : self.column + 1]

    @property
    def line_before(self) -> "_Place":
        """Return the end of the last line before it that is not blank; the beginning of the text: there is none."""
        number = next((number for number in range(self.line - 1, -1, -1) if self.lines[number].strip()), 0)
        return _Place(self.lines, number, len(self.lines[number].rstrip()) if number < self.line else 0)

    @property
    def is_first(self) -> bool:
        """Return whether nothing but blanks is before it on its line."""
        return not self.text[: self.column].strip()

    def excerpt(self) -> str:
        """Return the line, with its number and a caret below the place; a part of it where it is long."""
        start = max(0, self.column - _SHOWN // 2)
        shown = "".join(sign if sign.isprintable() else "→" for sign in self.text[start : start + _SHOWN])
        number = str(self.line + 1)
        return f"  {number} | {shown}\n  {' ' * len(number)} | {' ' * (self.column - start)}^"


_Advice = tuple[_Place, str]


def problem(error: yaml.YAMLError, text: str, label: str) -> Problem:
    """Return the parser's error as a problem of the document. `label`: names it to people."""
    if isinstance(error, yaml.reader.ReaderError):
        return Problem(label, 0, "", f"not YAML: {error.reason} at character {error.position}")
    said = getattr(error, "problem", None) or str(error).splitlines()[0]
    mark = getattr(error, "problem_mark", None)
    if mark is None:
        return Problem(label, 0, "", f"not YAML: {said}")
    lines = text.splitlines()
    place = _Place(lines, mark.line, mark.column)
    begun = getattr(error, "context_mark", None)
    start = _Place(lines, begun.line, begun.column) if begun else place
    place, advice = _advice(said, place, start)
    message = f"not YAML: {said}" + (f"; {advice}" if advice else "")
    shown = place if place.text.strip() else start  # at the end of the text there is nothing to see
    return Problem(label, place.line + 1, "", message, excerpt=shown.excerpt())


def _advice(said: str, place: _Place, start: _Place) -> _Advice:
    """Where it went wrong, and what may be meant; empty: nobody knows. `start`: of what was being read."""
    if place.sign == "\t" or "tab character" in said:
        return place, "a tab: indent with spaces"
    explain = next((explain for words, explain in _EXPLAINED if words in said), None)
    return explain(place, start) if explain else (place, "")


def _unquoted(place: _Place, start: _Place) -> _Advice:
    if place.sign == "%" and place.text[: place.column].endswith("{"):
        return place, "a text that begins with `{%` must be in quotes, or below the field, after `|`"
    sign = place.sign if place.sign and not place.sign.isspace() else start.sign
    return place, f"a text that begins with `{sign}` must be in quotes"


def _colon(place: _Place, _: _Place) -> _Advice:
    """A colon, where none may be."""
    if not _FIELD.fullmatch(place.text[: place.column + 1]):
        return place, 'a text with ": " in it must be in quotes, or below the field, after `|`'
    before = place.line_before
    if _FIELD.match(before.text):
        return place, "further in than the field before it, which has a value already: indent both alike"
    return before, "a field is written as `name: value`; its `:` is missing"


def _no_colon(_: _Place, start: _Place) -> _Advice:
    """A line that should be a field."""
    before = start.line_before.text
    if before.endswith(("|", ">", "|-", ">-")):
        return start, "the text of the field before must be further in than the field"
    if before.lstrip().startswith("- ") and not _FIELD.match(before):
        return start, _DASH
    if re.match(r"\s*(- +)*[\w-]+:\S", start.text):
        return start, "after the `:` of a field comes a space"
    return start, "a field is written as `name: value`; its `:` is missing"


def _no_key(place: _Place, _: _Place) -> _Advice:
    """A line that does not fit those above it; or a value that ended too early."""
    if place.is_first:
        return place, "it is not indented like the lines above it that it belongs to"
    value = place.text.partition(":")[2].strip()
    if value.startswith("{"):
        return place, "a text that begins with `{{` must be in quotes"
    return place, "the text goes on after its closing quote: put quotes around all of it, or write it below, after `|`"


def _not_closed(place: _Place, start: _Place) -> _Advice:
    return place, f"the `{start.sign}` of line {start.line + 1} is not closed before this"


def _end(place: _Place, start: _Place) -> _Advice:
    is_quote = start.sign in ("'", '"')
    return (start, "the quote that opens here is not closed") if is_quote else (place, "")


_DASH = "write `- ` before it, as before the others of this list"
_EXPLAINED: tuple[tuple[str, Callable[[_Place, _Place], _Advice]], ...] = (
    ("cannot start any token", _unquoted),
    ("undefined alias", _unquoted),
    ("alphabetic or numeric", _unquoted),
    ("mapping values", _colon),
    ("could not find expected ':'", _no_colon),
    ("'-' indicator", lambda place, _: (place, _DASH)),
    ("did not find expected key", _no_key),
    ("end of stream", _end),
    ("did not find expected ','", _not_closed),
    ("another document", lambda place, _: (place, "a file has one document: leave out the `---`")),
    ("escape character", lambda place, _: (place, "between double quotes, write \\\\ for \\; or take single quotes")),
)
