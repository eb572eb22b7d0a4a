"""What takes a worker long to load: in a thread, while it connects, polls and prepares."""

import asyncio
import gc
from importlib import import_module
from threading import Thread

SERVERS = "activities.servers"  # with mcp
AGENT_RUN = "activities.agent_run"  # with agents and openai


def begin() -> None:
    """Load all of it, in the order in which an agent run needs it."""
    Thread(target=_all, name="loading", daemon=True).start()


async def load(module: str) -> None:
    """Return when the module is loaded: importing it does not block from now on."""
    await asyncio.to_thread(import_module, module)


def _all() -> None:
    gc.disable()  # what is loaded stays: nothing to collect, neither now nor later
    try:
        import_module(SERVERS)
        import_module(AGENT_RUN)
    finally:
        gc.freeze()
        gc.enable()
