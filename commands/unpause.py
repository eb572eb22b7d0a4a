"""`unpause`: have a paused run go on."""

from commands import options
from commands.pause import set_paused


def unpause(run_id: options.RunId, json: options.Json = False) -> int:
    """Have a paused run go on."""
    return set_paused(run_id, False, json)
