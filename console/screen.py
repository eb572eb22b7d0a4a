"""The two streams of a process, and how they are written to."""

from dataclasses import dataclass

from rich.console import Console


@dataclass(frozen=True)
class Screen:
    """`out` for what was asked for, `err` for everything about it."""

    out: Console
    err: Console


def screen(json: bool) -> Screen:
    """With `json`, stdout is kept for the one JSON document, and the story goes to stderr."""
    err = Console(stderr=True, highlight=False, soft_wrap=True)
    out = err if json else Console(highlight=False, soft_wrap=True)
    return Screen(out, err)
