"""Schedules: when runs of a flow start by themselves."""

from datetime import datetime

from pydantic import BaseModel

from grammar.errors import InvalidFlow, Problem
from grammar.messages.reports import RunLine

FIELDS = range(5, 8)
SHAPE = "in one pair of quotes, write minute, hour, day, month and weekday: --cron '0 6 * * *'"


class ScheduleLine(BaseModel):
    """One schedule in a list. `skipped`: how often a run was due while the one before was still open."""

    id: str
    flow: str
    bundle: str
    cron: str
    paused: bool = False
    next_run: datetime | None = None
    last_run: RunLine | None = None
    skipped: int = 0


def check(cron: str) -> None:
    """Raise InvalidFlow for what is no cron expression at all. What its fields say, the server judges.

    It has five to seven fields, or a word such as `@daily`, after the time zone if there is one.
    """
    fields = cron.split()
    if fields and fields[0].startswith(("CRON_TZ=", "TZ=")):
        fields = fields[1:]
    if not fields or not (fields[0].startswith("@") or len(fields) in FIELDS):
        raise refused(f"{cron!r}: {SHAPE}")


def refused(why: str) -> InvalidFlow:
    """No schedule is made."""
    return InvalidFlow([Problem("command line", 0, "--cron", why)])
