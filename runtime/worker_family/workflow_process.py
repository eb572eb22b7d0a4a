"""The process of a worker that serves workflow tasks, and nothing else: none of them waits behind an agent."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from typing import NamedTuple

from temporalio.client import Client

from grammar.printable import printable
from runtime import stopping, this_process
from runtime.adoption import adopt_runs
from runtime.backend import Backend, open_backend
from runtime.local_server import worker_locks
from runtime.runs import runs
from runtime.worker_family.member import ParentLink

Serve = Callable[[Backend, str], AbstractAsyncContextManager[object]]
"""Serves the workflow tasks of a task queue for the length of a block."""


class WorkflowWorkers(NamedTuple):
    """What serves workflow tasks, each for the length of a block."""

    runs: Serve
    """Those of a task queue of runs."""
    limiters: Callable[[Backend], AbstractAsyncContextManager[object]]
    """Those of the limiters of model endpoints, which all workers serve."""


async def serve_queue(parent: ParentLink, serve: WorkflowWorkers, task_queue: str) -> None:
    """Serve the task queue, and runs of the embedded server that nobody serves, until SIGTERM."""
    stop = stopping.on_signals(signal.SIGTERM)
    await stopping.first(stop.wait(), _serve_queue(parent, serve, task_queue))


async def _serve_queue(parent: ParentLink, serve: WorkflowWorkers, task_queue: str) -> None:
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(open_backend(ui=True))
        if backend.embedded:
            stack.callback(worker_locks.serve_as_worker().release)
        await stack.enter_async_context(_served_by_all(parent, serve.runs, backend, task_queue))
        parent.ready(_serving(backend, task_queue))
        await stack.enter_async_context(serve.limiters(backend))
        if backend.embedded:
            await adopt_runs(backend.client, partial(_served_by_all, parent, serve.runs, backend))
        await asyncio.Event().wait()


@asynccontextmanager
async def _served_by_all(parent: ParentLink, serve: Serve, backend: Backend, task_queue: str) -> AsyncIterator[None]:
    """Have the whole family serve the task queue for the length of the block."""
    async with serve(backend, task_queue):
        parent.serve(task_queue)
        try:
            yield
        finally:
            parent.leave(task_queue)


def _serving(backend: Backend, task_queue: str) -> str:
    """Return the task queue, the server, which model answers, and the Web UI where it is known, for people."""
    ui = f"; Web UI {backend.ui_page()}" if backend.ui_url else ""
    model = this_process.setup().answers
    return printable(f"serving task queue {task_queue} at {backend.address}; {model}{ui}")


async def serve_run(parent: ParentLink, serve: WorkflowWorkers, run_id: str, task_queue: str) -> None:
    """Serve one run until it has ended, and whoever started this process has closed its stdin; or until SIGTERM."""
    stop = stopping.on_signals(signal.SIGTERM)
    unfollowed = asyncio.create_task(stopping.stdin_closed())
    async with open_backend() as backend:
        over = asyncio.create_task(stopping.first(stop.wait(), _run_over(backend.client, run_id, unfollowed)))
        lock = await worker_locks.wait_for_run(task_queue, over.done)  # another worker may have adopted the run
        if lock is None:
            return
        try:
            async with _served_by_all(parent, serve.runs, backend, task_queue):
                parent.ready()
                async with serve.limiters(backend):
                    await over
        finally:
            lock.release()


async def answer_queries(serve: Serve, task_queue: str) -> None:
    """Answer queries about a run until stdin is closed, unless another worker serves the run."""
    stop = stopping.on_signals(signal.SIGTERM)
    stopping.ignore(signal.SIGINT, signal.SIGHUP, signal.SIGTSTP)
    async with open_backend() as backend:
        if lock := worker_locks.serve_run(task_queue):
            try:
                async with serve(backend, task_queue):
                    await stopping.first(stop.wait(), stopping.stdin_closed())
            finally:
                lock.release()


async def _run_over(client: Client, run_id: str, unfollowed: asyncio.Task[None]) -> None:
    """Return when nobody follows the run any more and it is closed or parked, or was never started."""
    await unfollowed
    await runs.wait_over(client, run_id)
