"""A sliding window: as many jobs at once as allowed, the next one starts when one ends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from temporalio import workflow


class Slots:
    """How many jobs may run at once. A job that waits for a person leaves its place to others meanwhile."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    async def take(self) -> None:
        """Wait for a free place."""
        while self._free <= 0:
            await workflow.wait_condition(lambda: self._free > 0)
        self._free -= 1

    def give(self) -> None:
        """The place is free."""
        self._free += 1

    @asynccontextmanager
    async def left(self) -> AsyncIterator[None]:
        """The caller's place is free for the block; afterwards it waits for one."""
        self.give()
        try:
            yield
        except BaseException:
            self._free -= 1
            raise
        await self.take()


Job = Callable[[Slots], Coroutine[Any, Any, None]]


async def sliding_window(jobs: AsyncIterator[Job], limit: int) -> None:
    """Run all jobs, at most `limit` at once, started in order. The first exception ends the rest."""
    places = Slots(limit)
    running: list[asyncio.Task[None]] = []
    try:
        while True:
            await places.take()
            running = _still(running)
            job = await anext(jobs, None)
            if job is None:
                places.give()
                break
            running.append(asyncio.create_task(_run(job, places)))
        await asyncio.gather(*running)
    except BaseException:
        for task in running:
            task.cancel()
        raise


async def _run(job: Job, places: Slots) -> None:
    try:
        await job(places)
    finally:
        places.give()


def _still(running: list[asyncio.Task[None]]) -> list[asyncio.Task[None]]:
    """Those that run. Raises what one of the others raised."""
    for task in running:
        if task.done():
            task.result()
    return [task for task in running if not task.done()]
