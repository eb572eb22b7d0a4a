"""A run that is told to cancel, and nobody who could hear it: why, and what to do."""

import asyncio

from commands import next_steps
from commands.query_worker import is_queue_served
from runtime.backend import Backend
from runtime.runs import standing

POLL = 5.0


async def why(backend: Backend, run_id: str, task_queue: str, brings_worker: bool) -> str:
    """Return when the run cannot hear what it is told, and on what it waits; never, where it can.

    `brings_worker`: this process has one for it.
    """
    while True:
        if found := await held(backend, run_id):
            return found
        if not brings_worker and not await is_queue_served(backend, task_queue):
            return f"ends as soon as a worker at {backend.address} serves it"
        await asyncio.sleep(POLL)  # no server tells of either


async def held(backend: Backend, run_id: str) -> str:
    """Return on what a run waits that Temporal itself has paused; empty for any other one."""
    if not await standing.is_held(backend.client, run_id):
        return ""
    command = next_steps.temporal_command(backend, run_id, "unpause")
    return f"is paused by Temporal, and hears of it once it goes on: {command}"
