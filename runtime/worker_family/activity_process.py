"""A process of a worker that runs activities, of whichever task queues the family serves."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack

from runtime import stopping
from runtime.backend import Backend, open_backend
from runtime.local_server import worker_locks
from runtime.worker_family.member import ParentLink
from runtime.worker_family.orders import Line

Serve = Callable[[str], AbstractAsyncContextManager[object]]
"""Runs the activities of a task queue for the length of a block."""
Serving = Callable[[Backend], AbstractAsyncContextManager[Serve]]
"""Holds, for the length of a block, what the activities of all task queues have in common."""


async def serve_activities(parent: ParentLink, serving: Serving, is_worker: bool) -> None:
    """Run the activities of what is to be served, until SIGTERM. `is_worker`: of all runs of the embedded server."""
    stop = stopping.on_signals(signal.SIGTERM)
    await stopping.first(stop.wait(), _serve_activities(parent, serving, is_worker))


async def _serve_activities(parent: ParentLink, serving: Serving, is_worker: bool) -> None:
    async with AsyncExitStack() as stack:
        connecting = asyncio.create_task(stack.enter_async_context(open_backend()))
        connecting.add_done_callback(_look_at)
        orders = parent.orders()
        first = await anext(orders, None)  # the process for workflow tasks has met the server, or told why it cannot
        if first is None:
            return
        backend = await connecting
        if backend.embedded and is_worker:
            stack.callback(worker_locks.serve_as_worker().release)
        serve = await stack.enter_async_context(serving(backend))
        await _Queues(serve).follow(first, orders, parent)


def _look_at(connecting: asyncio.Task[Backend]) -> None:
    """Keep asyncio from complaining of an error that the process for workflow tasks tells, too."""
    if not connecting.cancelled():
        connecting.exception()


class _Queues:
    """Serves task queues, each in an asyncio task."""

    def __init__(self, serve: Serve) -> None:
        self._serve = serve
        self._left: dict[str, asyncio.Event] = {}
        self._serving: set[asyncio.Task[None]] = set()
        self._polling = asyncio.Event()
        self._failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def follow(self, first: Line, orders: AsyncIterator[Line], parent: ParentLink) -> None:
        """Do what is ordered, until the parent ends. Raises what ends the serving of a task queue."""
        listening = asyncio.create_task(self._listen(first, orders))
        try:
            await stopping.first(self._polling.wait(), asyncio.shield(self._failed))
            parent.ready()
            await stopping.first(asyncio.shield(listening), asyncio.shield(self._failed))
        finally:
            listening.cancel()
            for left in self._left.values():
                left.set()
            if self._serving:
                await asyncio.wait(self._serving)

    async def _listen(self, first: Line, orders: AsyncIterator[Line]) -> None:
        self._take(first)
        async for order in orders:
            self._take(order)

    def _take(self, order: Line) -> None:
        if order.word == "leave" and order.text in self._left:
            self._left.pop(order.text).set()
        elif order.word == "serve" and order.text not in self._left:
            left = self._left[order.text] = asyncio.Event()
            serving = asyncio.create_task(self._hold(order.text, left))
            self._serving.add(serving)
            serving.add_done_callback(self._serving.discard)

    async def _hold(self, task_queue: str, left: asyncio.Event) -> None:
        """Serve until it is left. Not until it is cancelled: then the SDK cancels what runs, instead of waiting."""
        try:
            async with self._serve(task_queue):
                self._polling.set()
                await left.wait()
        except Exception as error:  # whatever it is, it ends this process, and the parent begins another one
            if not self._failed.done():
                self._failed.set_exception(error)
