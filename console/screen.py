"""The two streams of a process, and how they are written to."""

import io
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TextIO

from rich.console import Console, ConsoleOptions, RenderableType
from rich.segment import Segment

from grammar.printable import printable

# Columns without a terminal: a line of a table stays one, for whoever searches in it.
UNFOLDED = 10_000


@dataclass(frozen=True)
class Screen:
    """`out` takes results, `notes` progress, advice and warnings, `err` errors and questions.

    Results go to stdout, all else to stderr.
    """

    out: Console
    notes: Console
    err: Console

    @property
    def is_live(self) -> bool:
        """Whether progress can be drawn anew, in place."""
        return self.notes.is_terminal and not self.notes.is_dumb_terminal and not self.notes.quiet

    @property
    def is_attended(self) -> bool:
        """Whether there is a person who can answer."""
        return sys.stdin.isatty() and self.err.is_terminal


class PrintableConsole(Console):
    """Print texts without the control codes that are in them. All that a process shows goes through here."""

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """Yield what is printed. The codes that rich itself needs are apart from texts."""
        for segment in super().render(renderable, options):
            yield segment if segment.control else segment._replace(text=printable(segment.text))


def open_screen(json: bool = False, quiet: bool = False) -> Screen:
    """Return the screen of this process.

    `json`: stdout is kept for the one JSON document, and results for people go the way of notes. `quiet`: no notes.
    """
    notes = _console(sys.stderr, quiet)
    return Screen(notes if json else _console(sys.stdout), notes, _console(sys.stderr))


def _console(stream: TextIO, quiet: bool = False) -> Console:
    """Control codes go to a terminal alone, whatever the environment asks for.

    What is told holds names and words of flows and models: none of it is markup.
    """
    if isinstance(stream, io.TextIOWrapper):
        stream.reconfigure(errors="replace")
    live = stream.isatty()
    return PrintableConsole(
        file=stream,
        force_terminal=live,
        width=None if live else UNFOLDED,
        highlight=False,
        markup=False,
        emoji=False,
        soft_wrap=True,
        quiet=quiet,
    )
