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
async def answering(backend: Backend, run_id: str) -> AsyncIterator[None]:
    """Bring a worker for the block that does none of the run's work, where no other answers. Raises NotWaiting."""
    queue = await runs.queue(backend.client, run_id)
    if queue is None:
        raise NotWaiting(f"there is no run {run_id}")
    if not backend.embedded or (queue == TASK_QUEUE and worker_locks.worker_present()):
        yield
        return
    worker = WorkerProcess(run_id, queue, queries_only=True)
    await worker.start()
    try:
        yield
    finally:
        await worker.stop()


async def is_served(backend: Backend, run_id: str) -> bool:
    """Return whether some worker does the work of the run; of a server that is not embedded, that is assumed."""
    queue = await runs.queue(backend.client, run_id)
    if not backend.embedded or queue is None:
        return True
    if queue == TASK_QUEUE:
        return worker_locks.worker_present()
    if lock := worker_locks.serve_run(queue):
        lock.release()
    return lock is None
