"""What the processes of a worker tell each other: lines, over a pair of sockets for each member."""

import json
from typing import Literal, NamedTuple

Word = Literal["serve", "leave", "ready"]


class Line(NamedTuple):
    """One line.

    `serve`, `leave`: a task queue is to be served, or not any more. The member that serves workflow tasks says so, and
    the parent tells the others. `ready`: a member does its work; the text is for people, and may be empty.
    """

    word: Word
    text: str


def encode(line: Line) -> bytes:
    """Return the line as it is sent."""
    return json.dumps(line).encode() + b"\n"


def decode(line: bytes) -> Line:
    """Return the line that was sent."""
    return Line(*json.loads(line))
