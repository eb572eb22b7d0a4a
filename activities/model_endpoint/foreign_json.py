"""JSON from outside, read as what it should be: of the right type, in bounds, and fit for UTF-8."""

import json
import math
from typing import Any

from activities.process.activity_errors import one_line
from grammar.documents.values import encodable
from grammar.errors import ModelUnavailable

# More tokens than any model counts: what lies beyond is no count.
MOST_TOKENS = 10**12
SHOWN = 200


def parsed(text: str) -> dict[str, Any]:
    """Return the JSON object in a text. Raises ModelUnavailable where it is none."""
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        raise ModelUnavailable(f"the model endpoint sent what is not JSON: {excerpt(text)}") from None
    if not isinstance(found, dict):
        raise ModelUnavailable(f"the model endpoint sent JSON that is no object: {excerpt(text)}")
    return found


def excerpt(text: str) -> str:
    """Return the beginning of a foreign text, on one line, masked."""
    return one_line(text[: SHOWN * 4], SHOWN)


def count(value: object) -> int:
    """Return a count of tokens; 0 for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= MOST_TOKENS:
        return 0
    return int(value)


def text_or_none(value: object, what: str) -> str | None:
    """Return a text, or None for null. Raises ModelUnavailable for anything else; `what` names it."""
    if value is None or isinstance(value, str):
        return value
    raise ModelUnavailable(f"the model endpoint sent {what} of type {type(value).__name__}: {excerpt(repr(value))}")


def plain_arguments(text: str) -> str:
    """Return the arguments of a tool call fit for UTF-8: JSON can escape half a character; as they are, if they are."""
    try:
        given = json.loads(text)
        repaired = encodable(given)
    except (ValueError, RecursionError):  # the SDK tells the model
        return text
    return text if repaired is given else json.dumps(repaired, ensure_ascii=False)


def plain(value: Any) -> Any:
    """Return a JSON value that can be written again: texts fit for UTF-8, and null for a number that is none."""
    if isinstance(value, str):
        return joined(value)
    if isinstance(value, dict):
        return {joined(key): plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [plain(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


class Halves:
    """Put together halves of surrogate pairs: some servers cut a character between two deltas, as JSON escapes."""

    def __init__(self) -> None:
        self._left: dict[object, str] = {}

    def whole(self, key: object, text: str) -> str:
        """Return the text with the half that was left before it, less the half that it ends with. `key`: its field."""
        text = self._left.pop(key, "") + text
        if text and "\ud800" <= text[-1] <= "\udbff":
            self._left[key] = text[-1]
            text = text[:-1]
        return joined(text)


def joined(text: str) -> str:
    """Return a text that UTF-8 can hold: pairs of halves are joined, a half alone is replaced."""
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
