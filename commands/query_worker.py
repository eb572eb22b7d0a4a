"""A worker that answers questions about a run, for as long as we look at it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from grammar.errors import NotWaiting
from grammar.messages.names import TASK_QUEUE
from runtime.backend import Backend
from runtime.local_server import worker_locks
from runtime.local_server.worker_process import WorkerProcess
from runtime.runs import finding, pollers
from runtime.runs.standing import IsServed


@asynccontextmanager
async def answering(backend: Backend, run_id: str) -> AsyncIterator[IsServed]:
    """Bring a worker for the block that does none of the run's work, where no other answers.

    Raises NotWaiting, and MissingKey where the run cannot be read here.

    Yield what tells whether somebody else does the run's work.
    """
    queue = await finding.queue(backend.client, run_id)
    if queue is None:
        raise NotWaiting(f"there is no run {run_id}")
    await finding.bundle_of(backend.client, run_id)  # where its key is missing, no worker could answer
    if not backend.embedded or (queue == TASK_QUEUE and worker_locks.worker_present()):
        yield partial(is_queue_served, backend)
        return
    found = await is_queue_served(backend, queue)

    async def was_served(task_queue: str) -> bool:
        return found

    worker = WorkerProcess(run_id, queue, None)
    await worker.start()
    try:
        yield was_served
    finally:
        await worker.stop()


async def is_served(backend: Backend, run_id: str) -> bool:
    """Return whether some worker does the work of the run; of a server that is not embedded, that is assumed."""
    queue = await finding.queue(backend.client, run_id)
    return not backend.embedded or queue is None or await is_queue_served(backend, queue)


async def is_queue_served(backend: Backend, task_queue: str) -> bool:
    """Return whether some worker does the work of the task queue."""
    if not backend.embedded:
        return await pollers.has_worker(backend.client, task_queue)
    if task_queue == TASK_QUEUE:
        return worker_locks.worker_present()
    if lock := worker_locks.serve_run(task_queue):
        lock.release()
    return lock is None
