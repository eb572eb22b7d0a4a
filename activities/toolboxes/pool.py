"""How long MCP servers live, and who shares them (specification section 1: `lifetime`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from activities.process.preloading import is_loaded, load
from activities.sandbox.sandboxes import Sandboxes
from activities.toolboxes.server_process import begin_template
from activities.toolboxes.server_spec import START_TIMEOUT, ServerSpec
from grammar.documents.sandbox import Policy

if TYPE_CHECKING:
    from activities.toolboxes.server import ToolboxServer

# Seconds that a server is kept unused, by its `lifetime`.
TASK_IDLE = 60.0
WORKER_IDLE = 300.0


@dataclass(frozen=True)
class PoolKey:
    """What servers must have in common to stand in for one another. Holds secrets: for memory only.

    `scope`: the task of a run whose branches share them, empty for `lifetime: worker`, None where nothing is shared.
    """

    params: str
    request_timeout: float
    scope: str | None
    folder: str | None
    policy: Policy | None


class ServerPool:
    """Hold all MCP servers of a worker. Each runs for one agent run, or is kept for the next that may have it.

    `sandboxes`: what starts their processes. All other arguments are in seconds.
    """

    def __init__(
        self,
        task_idle: float = TASK_IDLE,
        worker_idle: float = WORKER_IDLE,
        start_timeout: float = START_TIMEOUT,
        sandboxes: Sandboxes | None = None,
    ) -> None:
        self.sandboxes = sandboxes or Sandboxes()
        self._idle = {"run": 0.0, "task": task_idle, "worker": worker_idle}
        self._start_timeout = start_timeout
        self._servers: dict[PoolKey, list[_PooledServer]] = {}
        self._stopping: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def servers(self, specs: Sequence[ServerSpec], task: str) -> AsyncIterator[list[ToolboxServer]]:
        """Yield a server for each spec, ready to be called; they are started side by side.

        `task`: the run and the task that ask. Raises ToolboxFailed.
        """
        checkouts = [_Checkout(self, spec, task) for spec in specs]
        try:
            yield await _side_by_side([checkout.server() for checkout in checkouts])
        except asyncio.CancelledError:
            for checkout in checkouts:
                checkout.interrupt()
            raise
        finally:
            if stopping := [stop for checkout in checkouts if (stop := checkout.release())]:
                await asyncio.shield(asyncio.wait(stopping))

    async def close(self) -> None:
        """Stop all unused servers, and wait until all that were told to stop have. None is kept from now on."""
        self._closed = True
        for pooled in [pooled for same_key in self._servers.values() for pooled in same_key if not pooled.users]:
            self._stop(pooled)
        if self._stopping:
            await asyncio.wait(self._stopping)
        await self.sandboxes.templates.close()

    def acquire(self, spec: ServerSpec, key: PoolKey) -> _PooledServer:
        """Return a free server for `key`, else a new one, which starts now and is not ready yet."""
        from activities.toolboxes.server import ToolboxServer

        pooled = next((pooled for pooled in self._servers.get(key, ()) if pooled.is_free), None)
        if pooled is None:
            server = ToolboxServer(spec, self._start_timeout, self.sandboxes)
            pooled = _PooledServer(key, server, self._idle[spec.params.lifetime])
            self._servers.setdefault(key, []).append(pooled)
        pooled.users += 1
        pooled.set_idle_timer(None)
        return pooled

    def release(self, pooled: _PooledServer) -> asyncio.Task[None] | None:
        """Count one user less. Keep an unused server for the next user, or stop it, and return the task that does."""
        pooled.users -= 1
        if pooled.users:
            return None
        if pooled.idle and not pooled.server.broken and not self._closed:
            pooled.set_idle_timer(asyncio.get_running_loop().call_later(pooled.idle, self._stop, pooled))
            return None
        return self._stop(pooled)

    def _stop(self, pooled: _PooledServer) -> asyncio.Task[None]:
        same_key = self._servers[pooled.key]
        same_key.remove(pooled)
        if not same_key:
            del self._servers[pooled.key]
        stop = asyncio.create_task(pooled.stop())
        self._stopping.add(stop)
        stop.add_done_callback(self._stopping.discard)
        return stop


class _PooledServer:
    """A server of the pool, which starts at once. `idle`: seconds that it is kept unused, 0 for one agent run alone."""

    def __init__(self, key: PoolKey, server: ToolboxServer, idle: float) -> None:
        self.key = key
        self.server = server
        self.idle = idle
        self.users = 0
        self._shared = key.scope == ""
        self._starting = asyncio.create_task(server.start())
        self._idle_timer: asyncio.TimerHandle | None = None

    @property
    def is_free(self) -> bool:
        """Return whether one more run may use it."""
        return not self.server.broken and (self._shared or not self.users)

    async def wait_until_started(self) -> bool:
        """Wait until it is ready; return whether it was before. Raises ToolboxFailed."""
        was_ready = self._starting.done()
        await asyncio.shield(self._starting)
        return was_ready

    def set_idle_timer(self, timer: asyncio.TimerHandle | None) -> None:
        """Set the timer that stops it while nobody uses it; cancel the one before."""
        if self._idle_timer:
            self._idle_timer.cancel()
        self._idle_timer = timer

    async def stop(self) -> None:
        """Stop it, even while it starts."""
        self.set_idle_timer(None)
        self._starting.cancel()
        await asyncio.wait({self._starting})
        if not self._starting.cancelled():
            self._starting.exception()
        await self.server.stop()


class _Checkout:
    """One agent run's use of one server."""

    def __init__(self, pool: ServerPool, spec: ServerSpec, task: str) -> None:
        self._pool = pool
        self._spec = spec
        scope = {"run": None, "task": task, "worker": ""}[spec.params.lifetime]
        self._key = PoolKey(spec.params.model_dump_json(), spec.request_timeout, scope, spec.folder, spec.policy)
        self._pooled: _PooledServer | None = None

    async def server(self) -> ToolboxServer:
        """Return a server that answers: one that died while nobody used it is replaced. Raises ToolboxFailed."""
        if not is_loaded():  # our own libraries and the server's: in the time of one
            begin_template(self._spec, self._pool.sandboxes)
        await load()
        while True:
            self._pooled = pooled = self._pool.acquire(self._spec, self._key)
            if not await pooled.wait_until_started() or pooled.users > 1 or await pooled.server.is_alive():
                return pooled.server
            pooled.server.broken = True
            if stop := self.release():  # its port must be free for the next
                await asyncio.shield(stop)

    def interrupt(self) -> None:
        """Mark the server as broken, unless others use it: it may still be busy with the cancelled run's call."""
        if self._pooled and self._key.scope != "":
            self._pooled.server.broken = True

    def release(self) -> asyncio.Task[None] | None:
        """Give the server back to the pool; return the task that stops it, if any."""
        pooled, self._pooled = self._pooled, None
        return self._pool.release(pooled) if pooled else None


async def _side_by_side(starts: Sequence[Coroutine[None, None, ToolboxServer]]) -> list[ToolboxServer]:
    """Start all, and return them; the first that fails cancels the others' waiting. Raises its ToolboxFailed."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(start) for start in starts]
    except* Exception as group_error:
        raise group_error.exceptions[0] from None
    return [task.result() for task in tasks]
