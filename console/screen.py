"""The two streams of a process, and how they are written to."""

import io
import sys
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console

# Columns without a terminal: a line of a table stays one, for whoever searches in it.
UNFOLDED = 10_000


@dataclass(frozen=True)
class Screen:
    """`out` for what was asked for, `err` for everything about it."""

    out: Console
    err: Console

    @property
    def is_live(self) -> bool:
        """Whether what is told of a run can be drawn anew, in place."""
        return self.out.is_terminal and not self.out.is_dumb_terminal

    @property
    def questions(self) -> Console:
        """Where a person is asked."""
        return self.err if self.err.is_terminal else self.out

    @property
    def is_attended(self) -> bool:
        """Whether there is a person who can answer."""
        return sys.stdin.isatty() and self.questions.is_terminal


def screen(json: bool) -> Screen:
    """With `json`, stdout is kept for the one JSON document, and the story goes to stderr."""
    err = _console(sys.stderr)
    return Screen(err if json else _console(sys.stdout), err)


def _console(stream: TextIO) -> Console:
    """Control codes go to a terminal alone, whatever the environment asks for.

    What is told holds names and words of flows and models: none of it is markup.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    live = stream.isatty()
    return Console(
        file=stream,
        force_terminal=live,
        width=None if live else UNFOLDED,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
    )
