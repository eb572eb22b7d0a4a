"""A sliding window: as many jobs at once as allowed, the next one starts when one ends."""

import asyncio
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

from temporalio import workflow


class Slots:
    """Limit how many jobs run at once. A job that waits for a person releases its slot to others meanwhile."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    async def acquire(self) -> None:
        """Wait for a free slot, and take it."""
        while self._free <= 0:
            await workflow.wait_condition(lambda: self._free > 0)
        self._free -= 1

    def release(self) -> None:
        """Free a slot."""
        self._free += 1

    @asynccontextmanager
    async def released(self) -> AsyncIterator[None]:
        """Release the caller's slot for the block, and wait for one afterwards."""
        self.release()
        try:
            yield
        except BaseException:
            self._free -= 1
            raise
        await self.acquire()


Job = Callable[[Slots], Coroutine[Any, Any, None]]


async def sliding_window(jobs: AsyncIterator[Job], limit: int) -> None:
    """Run all jobs, at most `limit` at once, started in order. The first exception cancels the rest, and is raised."""
    slots = Slots(limit)
    running: list[asyncio.Task[None]] = []
    try:
        while True:
            await slots.acquire()
            running = _still_running(running)
            job = await anext(jobs, None)
            if job is None:
                slots.release()
                break
            running.append(asyncio.create_task(_run(job, slots)))
        await asyncio.gather(*running)
    except BaseException:
        for task in running:
            task.cancel()
        raise


async def _run(job: Job, slots: Slots) -> None:
    try:
        await job(slots)
    finally:
        slots.release()


def _still_running(tasks: list[asyncio.Task[None]]) -> list[asyncio.Task[None]]:
    """Return those that run. Raises what one of the others raised."""
    for task in tasks:
        if task.done():
            task.result()
    return [task for task in tasks if not task.done()]
