"""A process that leads a group of its own, and how the whole group is ended."""

import asyncio
import os
import signal

PATIENCE = 2.0


async def end_group(process: asyncio.subprocess.Process) -> None:
    """End the process and what it left behind: ask first, then kill."""
    if not _signal_group(process.pid, signal.SIGTERM):
        return
    for _ in range(int(PATIENCE / 0.05)):
        if process.returncode is not None and not _signal_group(process.pid, 0):
            return
        await asyncio.sleep(0.05)
    _signal_group(process.pid, signal.SIGKILL)
    await process.wait()


def _signal_group(group: int, number: int) -> bool:
    """Whether there was a group to signal."""
    try:
        os.killpg(group, number)
    except (ProcessLookupError, PermissionError):
        return False
    return True
