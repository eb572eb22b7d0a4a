"""A sliding window: as many jobs at once as allowed, the next one starts when one ends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from typing import Any

from temporalio import workflow

Job = Callable[[], Coroutine[Any, Any, None]]


async def sliding_window(jobs: AsyncIterator[Job], limit: int) -> None:
    """Run all jobs, at most `limit` at once, started in order. The first exception ends the rest."""
    running: set[asyncio.Task[None]] = set()
    try:
        async for job in jobs:
            running.add(asyncio.create_task(job()))
            if len(running) >= limit:
                running = await _next(running)
        while running:
            running = await _next(running)
    except BaseException:
        for task in running:
            task.cancel()
        raise


async def _next(running: set[asyncio.Task[None]]) -> set[asyncio.Task[None]]:
    done, still = await workflow.wait(running, return_when=asyncio.FIRST_COMPLETED)
    for task in done:
        task.result()
    return set(still)
