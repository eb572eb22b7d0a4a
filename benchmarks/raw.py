"""Raw Temporal: the same fan-out with an activity that does nothing, as the yardstick."""

import asyncio
import sys

from temporalio import activity, workflow
from temporalio.client import Client
from temporalio.worker import Worker

with workflow.unsafe.imports_passed_through():
    from datetime import timedelta

QUEUE = "raw"


@activity.defn
async def nothing(number: int) -> int:
    return number


@workflow.defn
class RawFanOut:
    """Run `count` activities, `limit` at once."""

    @workflow.run
    async def run(self, count: int, limit: int) -> int:
        running: set[asyncio.Task[int]] = set()
        for number in range(count):
            running.add(asyncio.create_task(self._activity(number)))
            if len(running) >= limit:
                _, pending = await workflow.wait(running, return_when=asyncio.FIRST_COMPLETED)
                running = set(pending)
        if running:
            await workflow.wait(running)
        return count

    async def _activity(self, number: int) -> int:
        return await workflow.execute_activity(nothing, number, start_to_close_timeout=timedelta(minutes=1))


async def serve(address: str) -> None:
    """Run a worker for the raw fan-out until it is killed."""
    client = await Client.connect(address)
    async with Worker(client, task_queue=QUEUE, workflows=[RawFanOut], activities=[nothing]):
        await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(serve(sys.argv[1]))
