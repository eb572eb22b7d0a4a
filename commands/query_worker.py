"""A worker that answers questions about a run, for as long as we look at it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from grammar.errors import NotWaiting
from grammar.messages.names import TASK_QUEUE
from runtime.backend import Backend
from runtime.local_server import worker_locks
from runtime.local_server.worker_process import WorkerProcess
from runtime.runs import runs


@asynccontextmanager
async def answering(here: Backend, run_id: str) -> AsyncIterator[None]:
    """Queries are answered by a worker: bring one that does none of the run's work, where no other is there."""
    queue = await runs.queue(here.client, run_id)
    if queue is None:
        raise NotWaiting(f"there is no run {run_id}")
    if not here.embedded or (queue == TASK_QUEUE and worker_locks.worker_present()):
        yield
        return
    worker = WorkerProcess(run_id, queue, queries_only=True)
    await worker.start()
    try:
        yield
    finally:
        await worker.stop()
