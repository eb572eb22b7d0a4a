"""A worker that answers questions about a run, for as long as we look at it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from grammar.contracts import TASK_QUEUE
from grammar.errors import NotWaiting
from runtime import presence, runs
from runtime.place import Place
from runtime.worker_process import WorkerProcess


@asynccontextmanager
async def answering(here: Place, run_id: str) -> AsyncIterator[None]:
    """Queries are answered by a worker: bring one that does none of the run's work, where no other is there."""
    queue = await runs.queue(here.client, run_id)
    if queue is None:
        raise NotWaiting(f"there is no run {run_id}")
    if not here.embedded or (queue == TASK_QUEUE and presence.worker_present()):
        yield
        return
    worker = WorkerProcess(run_id, queue, look=True)
    await worker.start()
    try:
        yield
    finally:
        await worker.stop()
