"""What runs agents takes a second to load: in a thread, while a worker connects, and all of it before it polls.

Not later: the sandbox of a workflow swaps `sys.modules` while it runs, and an extension module that is loaded beside
it in another thread may fail.
"""

import asyncio
from importlib import import_module
from threading import Event, Lock, Thread

from temporal_taskflow.launch import loading

MODULES = (
    "activities.toolboxes.server",  # with mcp
    "activities.agents.agent_run",  # with agents and openai
    "activities.messages_api.messages_model",
    "openai.resources.chat.completions.completions",  # these two, the client would load at its first request
    "openai.resources.responses.responses",
)
_loaded = Event()
_lock = Lock()


def begin() -> None:
    """Start to load MODULES in a thread, and return at once."""
    Thread(target=load_now, name="loading", daemon=True).start()


def is_loaded() -> bool:
    """Return whether all of MODULES are there."""
    return _loaded.is_set()


async def load() -> None:
    """Load MODULES, or wait until they are loaded. Raises what an import raises."""
    if not _loaded.is_set():
        await asyncio.to_thread(load_now)


def load_now() -> None:
    """Load MODULES in this thread, or wait until they are loaded. Raises what an import raises."""
    with _lock:
        if _loaded.is_set():
            return
        with loading():
            for module in MODULES:
                import_module(module)
        _loaded.set()
