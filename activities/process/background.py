"""What scripts leave in the background: it lives until its run ends, and no longer than this process."""

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable

from temporal_taskflow import launch

log = logging.getLogger(__name__)

# Seconds, after which it is asked again how a run stands, where the server did not answer.
ASK_AGAIN = 5.0

# Ends a process group when its stdin closes, however that comes about: this process may be killed. It ends by itself
# when the group is gone, so that nobody else's group of that number is hit.
GUARD = """
while kill -0 -- "-$1" 2>/dev/null; do
  read -r -t 1 _; [ $? -gt 128 ] && continue  # nobody has closed it
  kill -TERM -- "-$1" 2>/dev/null
  for _ in $(seq 40); do kill -0 -- "-$1" 2>/dev/null || exit 0; sleep 0.05; done
  kill -KILL -- "-$1" 2>/dev/null
  exit 0
done
"""


class Background:
    """Hold the process groups that runs have left in the background. One per worker.

    `until_closed`: returns when the run of a workflow id is closed; whatever it raises, it is asked again.
    """

    def __init__(self, until_closed: Callable[[str], Awaitable[None]]) -> None:
        self._until_closed = until_closed
        self._guards: dict[str, list[asyncio.subprocess.Process]] = {}
        self._watches: dict[str, asyncio.Task[None]] = {}

    async def keep(self, group: int, workflow_id: str) -> None:
        """Keep a process group, if there is anything in it, until the run is closed."""
        if not _is_alive(group):
            return
        guard = await asyncio.create_subprocess_exec(
            "bash", "-c", GUARD, "guard", str(group),
            stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True, env=launch.bare_environment(),
        )  # fmt: skip
        guards = self._guards.setdefault(workflow_id, [])
        guards[:] = [*(kept for kept in guards if kept.returncode is None), guard]
        if workflow_id not in self._watches:
            self._watches[workflow_id] = asyncio.create_task(self._watch(workflow_id))

    async def close(self) -> None:
        """End all groups, in bounded time."""
        for watch in self._watches.values():
            watch.cancel()
        await asyncio.gather(*map(self._end, list(self._guards)))

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
        guards = self._guards.get(workflow_id, [])
        for guard in guards:
            if guard.stdin:
                guard.stdin.close()
        await asyncio.gather(*(guard.wait() for guard in guards))
        self._guards.pop(workflow_id, None)


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True
