"""Signs of life while an activity works, with its progress for whoever follows the run."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from temporalio import activity

from grammar.messages.activity_results import Progress

# Short activities send none: a heartbeat is a write at the server.
FIRST = 0.5
FRESH = 1.0
# A cancellation arrives with the answer to a heartbeat.
IDLE = 3.0


@asynccontextmanager
async def beating(progress: Callable[[], Progress], carried: Callable[[], list[str]] = list) -> AsyncIterator[None]:
    """Heartbeat while the body runs: at once where there is news, else often enough to be known alive.

    `carried`: what the next attempt is told besides.
    """
    task = asyncio.create_task(_beat(progress, carried))
    try:
        yield
    finally:
        task.cancel()


def carried_over() -> list[str]:
    """What the attempt before told in its last heartbeat."""
    details = activity.info().heartbeat_details
    return list(details[1]) if len(details) > 1 else []


async def _beat(progress: Callable[[], Progress], carried: Callable[[], list[str]]) -> None:
    timeout = activity.info().heartbeat_timeout
    idle = min(IDLE, timeout.total_seconds() / 3) if timeout else IDLE
    step = min(FRESH, idle)
    told: Progress | None = None
    quiet = 0.0
    await asyncio.sleep(min(FIRST, step))
    while True:
        now = progress()
        if now != told or quiet >= idle:
            lines = carried()
            activity.heartbeat(now, lines) if lines else activity.heartbeat(now)
            told, quiet = now, 0.0
        await asyncio.sleep(step)
        quiet += step
