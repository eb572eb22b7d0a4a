"""Heartbeats while an activity works, with its progress for whoever follows the run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from temporalio import activity

from grammar.messages.activity_results import Progress

# Seconds. Short activities send none: a heartbeat is a write at the server.
FIRST = 0.5
INTERVAL = 1.0
# A cancellation arrives with the answer to a heartbeat.
IDLE_INTERVAL = 3.0


@asynccontextmanager
async def heartbeats(
    progress: Callable[[], Progress], journal_lines: Callable[[], list[str]] = list
) -> AsyncIterator[None]:
    """Heartbeat while the body runs: at once where the progress has changed, else well within the heartbeat timeout.

    `journal_lines`: what the next attempt gets besides; empty where storage keeps the journal.
    """
    task = asyncio.create_task(_beat(progress, journal_lines))
    try:
        yield
    finally:
        task.cancel()


def lines_of_last_attempt() -> list[str]:
    """Return the journal lines in the last heartbeat of the attempt before; empty where there are none."""
    details = activity.info().heartbeat_details
    return list(details[1]) if len(details) > 1 else []


async def _beat(progress: Callable[[], Progress], journal_lines: Callable[[], list[str]]) -> None:
    timeout = activity.info().heartbeat_timeout
    idle = min(IDLE_INTERVAL, timeout.total_seconds() / 3) if timeout else IDLE_INTERVAL
    step = min(INTERVAL, idle)
    sent: Progress | None = None
    quiet = 0.0
    await asyncio.sleep(min(FIRST, step))
    while True:
        now = progress()
        if now != sent or quiet >= idle:
            lines = journal_lines()
            activity.heartbeat(now, lines) if lines else activity.heartbeat(now)
            sent, quiet = now, 0.0
        await asyncio.sleep(step)
        quiet += step
