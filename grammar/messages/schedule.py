"""Schedules: when runs of a flow start by themselves."""

from datetime import datetime

from pydantic import BaseModel

from grammar.errors import InvalidFlow
from grammar.messages.reports import RunLine
from grammar.problems import Problem

FIELDS = range(5, 8)
SHAPE = "in one pair of quotes, write minute, hour, day, month and weekday: --cron '0 6 * * *'"


class ScheduleLine(BaseModel):
    """One schedule in a list."""

    id: str
    """The schedule's id."""
    flow: str
    """The source of its bundle; empty: not known."""
    bundle: str
    """The hash of its bundle; empty: not known."""
    cron: str
    """When runs start, as it was written."""
    paused: bool = False
    """Whether it starts no runs for now."""
    next_run: datetime | None = None
    """When the next run starts; None: there is no such time."""
    last_run: RunLine | None = None
    """The newest run that it started; None: it has started none."""
    skipped: int = 0
    """How often a run was due while the one before was still open."""


def check(cron: str) -> None:
    """Raise InvalidFlow for what is no cron expression at all. What its fields say, the server judges.

    An expression has five to seven fields, or a word such as `@daily`, after the time zone if there is one.
    """
    fields = cron.split()
    if fields and fields[0].startswith(("CRON_TZ=", "TZ=")):
        fields = fields[1:]
    if not fields or not (fields[0].startswith("@") or len(fields) in FIELDS):
        raise refused(f"{cron!r}: {SHAPE}")


def refused(why: str) -> InvalidFlow:
    """Return the error for a `--cron` that is refused, with the reason."""
    return InvalidFlow([Problem("command line", 0, "--cron", why)])
