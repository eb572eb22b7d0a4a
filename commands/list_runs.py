"""`list`: the newest runs, what each does or waits for."""

import asyncio
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated

import typer
from rich.text import Text

from commands import options
from console import run_tables
from console.problems import print_json
from console.screen import open_screen
from grammar.documents.durations import parse_duration
from grammar.messages.reports import RunLine


def list_runs(
    status: Annotated[str | None, typer.Option("--status", metavar="STATUS", help="Such as running or parked.")] = None,
    name: Annotated[
        str | None, typer.Option("--name", metavar="NAME", help="The flow's file name, without folder and ending.")
    ] = None,
    since: Annotated[
        str | None, typer.Option("--since", metavar="WHEN", help="Started since: 2h, 3d, or a date such as 2026-11-24.")
    ] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", min=1, max=100_000, help="So many.")] = 20,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """List runs, the newest first: what each does, or waits for."""
    found, kept = asyncio.run(_found(status, name, moment(since, datetime.now(UTC)) if since else None, limit))
    screen = open_screen(json, quiet)
    run_tables.print_runs(screen.out, found)
    run_tables.print_waits(screen.notes, found)
    if kept:
        screen.notes.print(Text(f"runs that have ended are kept for {kept.days} days", "dim"))
    if json:
        print_json({"runs": [line.model_dump(mode="json") for line in found]})
    return 0


async def _found(
    status: str | None, name: str | None, since: datetime | None, limit: int
) -> tuple[list[RunLine], timedelta | None]:
    """Return the runs, and how long the server keeps those that have ended; None where it does not say."""
    from commands.query_worker import is_queue_served  # these load Temporal's client
    from runtime.backend import open_backend
    from runtime.local_server import retention
    from runtime.runs import run_list

    if status and status not in run_list.STATUSES:
        raise options.wrong("--status", f"{status!r}: give one of {', '.join(run_list.STATUSES)}")
    async with open_backend() as backend:
        wanted = run_list.RunFilter(status, name, since, limit)
        runs = await run_list.listed(backend.client, wanted, partial(is_queue_served, backend))
        return runs, await retention.told(backend.client)


def moment(text: str, now: datetime) -> datetime:
    """Return the moment that `--since` means: so long ago, or a date, local unless it says. Raises InvalidFlow."""
    try:
        return datetime.fromisoformat(text).astimezone()
    except (ValueError, OverflowError):  # the latter: near the first or last day of the calendar
        pass
    try:
        return now - timedelta(seconds=parse_duration(text))
    except ValueError:
        raise options.wrong("--since", f"{text!r}: write 30m, 2h, 3d, or a date such as 2026-11-24") from None
