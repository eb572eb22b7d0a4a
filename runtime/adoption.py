"""Runs of the embedded server that nobody serves: their starters are gone, and a worker takes them in."""

import asyncio
import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from temporalio.client import Client

from grammar.errors import MissingKey
from grammar.messages.names import TASK_QUEUE
from runtime import this_process
from runtime.local_server import worker_locks
from runtime.runs import runs, serving

INTERVAL = 2.0

Serve = Callable[[str], AbstractAsyncContextManager[object]]
"""Serves a task queue for the length of a block."""

log = logging.getLogger("worker")


async def adopt_runs(client: Client, serve: Serve) -> None:
    """Serve every open run whose own task queue nobody serves, until cancelled."""
    adopted: set[asyncio.Task[None]] = set()
    unreadable: set[str] = set()
    try:
        while True:
            async for run_id, task_queue in runs.open_runs(client):
                if task_queue == TASK_QUEUE or run_id in unreadable:
                    continue
                if lock := worker_locks.serve_run(task_queue):
                    adopted.add(asyncio.create_task(_adopt(client, serve, run_id, task_queue, lock, unreadable)))
            adopted = {task for task in adopted if not task.done()}
            await asyncio.sleep(INTERVAL)
    finally:
        for task in adopted:
            task.cancel()


async def _adopt(
    client: Client, serve: Serve, run_id: str, task_queue: str, lock: worker_locks.RunLock, unreadable: set[str]
) -> None:
    """Serve the run until it is closed, and release its lock. What is not as its starter had it is logged.

    A run that was encrypted with a key that is missing here goes on waiting, and is added to `unreadable`.
    """
    try:
        differences = await serving.differences_of(client, run_id, this_process.setup())
        log.warning("serving run %s, which nobody serves", run_id)
        for difference in differences:
            log.warning("run %s: %s", run_id, difference.text)
        async with serve(task_queue):
            await runs.wait_closed(client, run_id)
    except MissingKey as error:
        unreadable.add(run_id)
        log.warning("run %s is not served: %s", run_id, error)
    finally:
        lock.release()
