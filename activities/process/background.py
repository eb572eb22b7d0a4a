"""What scripts leave in the background: it lives until its run ends, and no longer than this process."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from activities.guardian.guarded_process import GuardedProcess

log = logging.getLogger(__name__)

# Seconds, after which it is asked again how a run stands, where the server did not answer.
ASK_AGAIN = 5.0


class Background:
    """Hold the processes that runs have left in the background. One per worker.

    `until_closed`: returns when the run of a workflow id is closed; whatever it raises, it is asked again.
    """

    def __init__(self, until_closed: Callable[[str], Awaitable[None]]) -> None:
        self._until_closed = until_closed
        self._kept: dict[str, list[GuardedProcess]] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}

    def keep(self, process: GuardedProcess, workflow_id: str) -> None:
        """Keep what a script has started, until the run is closed."""
        kept = self._kept.setdefault(workflow_id, [])
        kept[:] = [*(other for other in kept if other.is_left), process]
        if workflow_id not in self._watches:
            self._watches[workflow_id] = asyncio.create_task(self._watch(workflow_id))

    async def close(self) -> None:
        """End all of them, in bounded time."""
        for watch in self._watches.values():
            watch.cancel()
        await asyncio.gather(*map(self._end, list(self._kept)))

    async def _watch(self, workflow_id: str) -> None:
        while True:
            try:
                await self._until_closed(workflow_id)
                break
            except Exception as error:  # whatever the server did: the run may be open still
                log.debug("how %s stands is not known: %s", workflow_id, error)
                await asyncio.sleep(ASK_AGAIN)
        del self._watches[workflow_id]
        await self._end(workflow_id)

    async def _end(self, workflow_id: str) -> None:
        await asyncio.gather(*(process.end() for process in self._kept.pop(workflow_id, [])))
