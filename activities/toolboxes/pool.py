"""How long MCP servers live, and who shares them (specification section 1: `lifetime`)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from activities.process.preloading import load
from activities.toolboxes.server_spec import START_TIMEOUT, ServerSpec

if TYPE_CHECKING:
    from activities.toolboxes.server import ToolboxServer

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


class Pool:
    """All MCP servers of a worker. Each runs for one agent run, or is kept for the next that may have it."""

    def __init__(
        self, task_idle: float = TASK_IDLE, worker_idle: float = WORKER_IDLE, start_timeout: float = START_TIMEOUT
    ) -> None:
        self._idle = {"run": 0.0, "task": task_idle, "worker": worker_idle}
        self._start_timeout = start_timeout
        self._kept: dict[PoolKey, list[_Kept]] = {}
        self._endings: set[asyncio.Task[None]] = set()
        self._closed = False

    @asynccontextmanager
    async def servers(self, specs: Sequence[ServerSpec], task: str) -> AsyncIterator[list[ToolboxServer]]:
        """A server for each, ready to be called; started side by side. `task`: the run and the task that ask.

        Raises ToolboxFailed.
        """
        leases = [_Lease(self, spec, task) for spec in specs]
        try:
            yield await _side_by_side([lease.server() for lease in leases])
        except asyncio.CancelledError:
            for lease in leases:
                lease.interrupted()
            raise
        finally:
            if endings := [ending for lease in leases if (ending := lease.end())]:
                await asyncio.shield(asyncio.wait(endings))

    async def close(self) -> None:
        """Stop all servers. None is kept from now on."""
        self._closed = True
        for kept in [one for several in self._kept.values() for one in several if not one.users]:
            self._stop(kept)
        if self._endings:
            await asyncio.wait(self._endings)

    def take(self, spec: ServerSpec, key: PoolKey) -> _Kept:
        """One that may be had, or else a new one, which starts now. What they need is loaded."""
        from activities.toolboxes.server import ToolboxServer

        kept = next((one for one in self._kept.get(key, ()) if one.free), None)
        if kept is None:
            kept = _Kept(key, ToolboxServer(spec, self._start_timeout), self._idle[spec.params.lifetime])
            self._kept.setdefault(key, []).append(kept)
        kept.users += 1
        kept.rests_until(None)
        return kept

    def give_back(self, kept: _Kept) -> asyncio.Task[None] | None:
        """Keep it for the next, or end it; the task that does so."""
        kept.users -= 1
        if kept.users:
            return None
        if kept.idle and not kept.server.lost and not self._closed:
            kept.server.rest()
            kept.rests_until(asyncio.get_running_loop().call_later(kept.idle, self._stop, kept))
            return None
        return self._stop(kept)

    def _stop(self, kept: _Kept) -> asyncio.Task[None]:
        several = self._kept[kept.key]
        several.remove(kept)
        if not several:
            del self._kept[kept.key]
        ending = asyncio.create_task(kept.stop())
        self._endings.add(ending)
        ending.add_done_callback(self._endings.discard)
        return ending


class _Kept:
    """A server of the pool. `idle`: seconds that it is kept unused, 0 for one agent run alone."""

    def __init__(self, key: PoolKey, server: ToolboxServer, idle: float) -> None:
        self.key = key
        self.server = server
        self.idle = idle
        self.users = 0
        self._shared = key.scope == ""
        self._starting = asyncio.create_task(server.start())
        self._rest: asyncio.TimerHandle | None = None

    @property
    def free(self) -> bool:
        """Whether one more may use it."""
        return not self.server.lost and (self._shared or not self.users)

    async def started(self) -> bool:
        """Whether it was there before. Raises ToolboxFailed."""
        before = self._starting.done()
        await asyncio.shield(self._starting)
        return before

    def rests_until(self, rest: asyncio.TimerHandle | None) -> None:
        """When its end comes unless somebody uses it."""
        if self._rest:
            self._rest.cancel()
        self._rest = rest

    async def stop(self) -> None:
        """End it, even while it starts."""
        self.rests_until(None)
        self._starting.cancel()
        await asyncio.wait({self._starting})
        if not self._starting.cancelled():
            self._starting.exception()
        await self.server.stop()


class _Lease:
    """One agent run's use of one server."""

    def __init__(self, pool: Pool, spec: ServerSpec, task: str) -> None:
        self._pool = pool
        self._spec = spec
        scope = {"run": None, "task": task, "worker": ""}[spec.params.lifetime]
        self._key = PoolKey(spec.params.model_dump_json(), spec.request_timeout, scope, spec.folder)
        self._kept: _Kept | None = None

    async def server(self) -> ToolboxServer:
        """A server that answers: one that died while nobody used it is replaced. Raises ToolboxFailed."""
        await load()
        while True:
            self._kept = kept = self._pool.take(self._spec, self._key)
            if not await kept.started() or kept.users > 1 or await kept.server.answers():
                return kept.server
            kept.server.lost = True
            if ending := self.end():  # its port must be free for the next
                await asyncio.shield(ending)

    def interrupted(self) -> None:
        """The run was broken off: a server that it had for itself may still be busy with its call."""
        if self._kept and self._key.scope != "":
            self._kept.server.lost = True

    def end(self) -> asyncio.Task[None] | None:
        """Give the server back."""
        kept, self._kept = self._kept, None
        return self._pool.give_back(kept) if kept else None


async def _side_by_side(starts: Sequence[Coroutine[None, None, ToolboxServer]]) -> list[ToolboxServer]:
    """The first that fails ends the others' waiting. Raises its ToolboxFailed."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(start) for start in starts]
    except* Exception as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
