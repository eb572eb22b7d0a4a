"""What is to become of a parked run: asked at the terminal, while somebody else may decide it."""

import asyncio
import signal
from typing import Literal

from commands.leaving import Leaving
from console import ask
from console.run_display import RunDisplay
from console.screen import Screen
from grammar.messages.reports import Decision, Parked
from runtime import stopping
from runtime.runs import following, runs


async def decision(
    screen: Screen, display: RunDisplay, handle: runs.Handle, parked: Parked, url: str | None
) -> Decision | Literal["elsewhere"] | None:
    """Return what the person at the terminal decides; None where they leave it parked.

    `elsewhere`: the run was decided about, or ended, before they answered. `url`: the run in the Web UI.
    """
    leaving = Leaving(screen, display, handle.id)
    try:
        with display.following(url):
            asked = asyncio.create_task(ask.about_parked(display, parked))
            decided = asyncio.create_task(following.until_decided(handle))
            await stopping.first(asked, decided, leaving.again(), display.keep_ticking())
    finally:
        leaving.let_suspend()
        stopping.as_ever(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    if asked.cancelled():
        return None if decided.cancelled() else "elsewhere"
    return asked.result()
