"""Activities that complete at nearly the same time report together.

Each completion that arrives alone wakes the workflow, which costs three history events. Branches of a fan-out
that complete within one step of each other are reported at once: the workflow wakes once for all of them, and
starts their successors together. A branch waits for at most one step; one that runs alone never does. Where many run,
each waits for a smaller part of what it takes them to be served, and steps are longer.
"""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

STEP = 0.03
"""Seconds, where few run."""
MANY, STEP_OF_MANY = 10, 4 * STEP
"""From that many on, steps are longer: a multiple, so that they end together with the others."""


def until_next_step(now: float, running: int) -> float:
    """Return the seconds from `now` to the moment at which all that complete in this step report."""
    step = STEP_OF_MANY if running >= MANY else STEP
    return step - now % step


class CompletionBatching:
    """Count the activities that run, and hold back a completion while others run. One per worker."""

    def __init__(self) -> None:
        self._running = 0

    @contextmanager
    def running(self) -> Iterator[None]:
        """Count one more activity for the length of the block."""
        self._running += 1
        try:
            yield
        finally:
            self._running -= 1

    async def wait(self) -> None:
        """Wait until the next step; return at once where no other activity runs."""
        if self._running > 1:
            await asyncio.sleep(until_next_step(time.monotonic(), self._running))
