"""How a process that leads a group of its own is ended, with its whole group."""

import asyncio
import os
import signal

GRACE_PERIOD = 2.0
"""Seconds between SIGTERM and SIGKILL."""


async def end_group(process: asyncio.subprocess.Process) -> None:
    """End the process and all that it left behind: by SIGTERM, and after GRACE_PERIOD by SIGKILL."""
    if not _signal_group(process.pid, signal.SIGTERM):
        return
    for _ in range(int(GRACE_PERIOD / 0.05)):
        if process.returncode is not None and not _signal_group(process.pid, 0):
            return
        await asyncio.sleep(0.05)
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


async def end_leaderless(group: int) -> None:
    """End what a process that has ended left behind in its group, as `end_group` does."""
    if not _signal_group(group, signal.SIGTERM):
        return
    for _ in range(int(GRACE_PERIOD / 0.05)):
        if not _signal_group(group, 0):
            return
        await asyncio.sleep(0.05)
    _signal_group(group, signal.SIGKILL)


def _signal_group(group: int, number: int) -> bool:
    """Return whether there was a group to signal."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
