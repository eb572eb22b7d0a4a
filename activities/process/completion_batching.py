"""Activities that end at nearly the same time report together.

Each completion that arrives alone wakes the workflow, which costs three history events. Branches of a fan-out
that end within one step of each other are told at once: the workflow wakes once for all of them, starts their
successors together, and so stays in step. A branch waits for at most one step; one that runs alone never does.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

STEP = 0.03


def until_next_step(now: float) -> float:
    """Seconds from `now` to the moment at which all that end in this step report."""
    return STEP - now % STEP


class CompletionBatching:
    """Counts the activities that run. One per worker."""

    def __init__(self) -> None:
        self._running = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """One more runs, for the length of the block."""
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    async def wait(self) -> None:
        """Until the next step, if others run too."""
        if self._running > 1:
            await asyncio.sleep(until_next_step(time.monotonic()))
