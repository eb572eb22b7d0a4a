"""`pause`: have a run start no new branch."""

import asyncio

from commands import options
from console.problems import print_json
from console.screen import open_screen


def pause(run_id: options.RunId, json: options.Json = False) -> int:
    """Have a run start no new branch; what runs goes on."""
    return set_paused(run_id, True, json)


def set_paused(run_id: str, paused: bool, json: bool) -> int:
    """Tell the run to start no new branch, or to go on. Return the exit code. Raises NotWaiting."""
    held = asyncio.run(_signal(run_id, paused))
    text = "starts no new branch; what runs goes on" if paused else "goes on"
    open_screen(json).out.print(f"run {run_id} {held or text}")
    if json:
        print_json({"run_id": run_id, "paused": paused or bool(held), "exit_code": 0})
    return 0


async def _signal(run_id: str, paused: bool) -> str:
    """Tell the run; return on what it waits before it hears of it, or nothing."""
    from commands import out_of_reach  # these load Temporal's client
    from runtime.backend import open_backend
    from runtime.runs import signals

    async with open_backend() as backend:
        await signals.pause(backend.client, run_id, paused)
        return await out_of_reach.held(backend, run_id)
