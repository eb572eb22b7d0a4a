"""How much a worker takes in of what comes from outside. Each limit is a variable of its environment.

They are for what is hostile or broken, and far above what anybody needs.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

from grammar.documents.durations import parse_duration
from grammar.documents.sizes import parse_size
from grammar.errors import UserError

T = TypeVar("T", int, float)


@dataclass(frozen=True)
class Limit(Generic[T]):
    """A limit: the variable that sets it, and what holds where that is not set, as a person would write it."""

    variable: str
    default: str
    parse: Callable[[str], T]

    @property
    def value(self) -> T:
        """Return the limit: bytes, seconds or a number. Raises UserError where the variable says nothing of it."""
        try:
            return self.parse(self._said)
        except ValueError as error:
            raise UserError(f"{self.variable} is {self._said!r}: {error}") from None

    @property
    def told(self) -> str:
        """Return the limit, and how to set it, for the error of whoever goes beyond it."""
        return f"{self._said}; to allow more, set {self.variable} where the worker runs"

    @property
    def _said(self) -> str:
        return os.environ.get(self.variable) or self.default


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text)):
        raise ValueError("write a number, 1 or more")
    return int(text)


ANSWER = Limit("TASKFLOW_LIMIT_ANSWER", "8M", parse_size)
"""What a model says in one answer: text, thoughts and the arguments of calls."""
SILENCE = Limit("TASKFLOW_LIMIT_SILENCE", "10m", parse_duration)
"""How long a model says nothing, while it is awaited."""
TOOL_OUTPUT = Limit("TASKFLOW_LIMIT_TOOL_OUTPUT", "64M", parse_size)
"""What a toolbox's server sends from one request to the next: its answer, and whatever it tells besides."""
TOOL_LIST = Limit("TASKFLOW_LIMIT_TOOL_LIST", "4M", parse_size)
"""The tools of one server, with their descriptions and schemas, as JSON."""
TOOLS = Limit("TASKFLOW_LIMIT_TOOLS", "1000", _number)
"""How many tools one server has."""
SCRIPT_OUTPUT = Limit("TASKFLOW_LIMIT_SCRIPT_OUTPUT", "2G", parse_size)
"""What a script writes to stdout, where payload storage keeps it."""
SCRIPT_OUTPUT_IN_HISTORY = Limit("TASKFLOW_LIMIT_SCRIPT_OUTPUT", "64M", parse_size)
"""The same where there is no such storage."""

ALL = (ANSWER, SILENCE, TOOL_OUTPUT, TOOL_LIST, TOOLS, SCRIPT_OUTPUT, SCRIPT_OUTPUT_IN_HISTORY)


def check() -> None:
    """Raise UserError where a variable sets no limit that can be held."""
    for limit in ALL:
        _ = limit.value
