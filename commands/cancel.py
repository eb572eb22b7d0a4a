"""`cancel`: end a run, and all that runs for it."""

import asyncio

from rich.text import Text

from commands import options
from console.problems import print_json
from console.screen import Screen, open_screen

# Activities hear of it with their next heartbeat, and then have their processes end.
PATIENCE = 30.0


def cancel(run_id: options.RunId, json: options.Json = False, quiet: options.Quiet = False) -> int:
    """End a run, and what runs for it; what was done is kept."""
    return asyncio.run(_cancel(run_id, open_screen(json, quiet), json))


async def _cancel(run_id: str, screen: Screen, json: bool) -> int:
    from commands import out_of_reach  # these load Temporal's client
    from commands.query_worker import answering
    from runtime.backend import open_backend
    from runtime.runs import runs, signals

    async with open_backend() as backend:
        await signals.cancel(backend.client, run_id)
        held = await out_of_reach.held(backend, run_id)
        async with answering(backend, run_id):
            is_over = await runs.is_closed_within(backend.client, run_id, 0 if held else PATIENCE)
    screen.out.print(Text(f"run {run_id} is {'cancelled' if is_over else 'being cancelled'}"))
    if not is_over:
        told = held or "ends once its workers, or new ones, have heard of it"
        screen.notes.print(Text(f"it {told}", "yellow"))
    if json:
        print_json({"run_id": run_id, "status": "cancelled" if is_over else "cancelling", "exit_code": 0})
    return 0
