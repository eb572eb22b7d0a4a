"""The worker process that a starter brings along, where no other worker serves the embedded server.

A process of its own, so that a run goes on when its starter is detached or dies. It ends when its run has
ended and its stdin is closed, which happens when the starter has seen enough, or is gone.
"""

import asyncio
import sys
from pathlib import Path

from runtime.state import state_dir

ATTEMPTS = 5
WORKER = Path(__file__).resolve().parents[2] / "worker.py"


class WorkerProcess:
    """`worker.py --run ID`, started again if it is lost. `look`: it answers questions, and does none of the work."""

    def __init__(self, run_id: str, task_queue: str, look: bool = False) -> None:
        self._command = [sys.executable, str(WORKER), "--run", run_id, "--task-queue", task_queue]
        self._command += ["--queries-only"] if look else []
        self._process: asyncio.subprocess.Process | None = None
        self._watch: asyncio.Task[None] | None = None
        self.log = state_dir() / "worker.log"

    async def start(self) -> None:
        """Start it, and keep it running."""
        await self._spawn()
        self._watch = asyncio.create_task(self._replace_lost())

    async def stop(self) -> None:
        """Let it go, and wait for its end: it ends when its run has."""
        self.let_go()
        if self._process:
            await self._process.wait()

    def let_go(self) -> None:
        """Nobody follows the run any more: it is served to its end, and then the process ends."""
        if self._watch:
            self._watch.cancel()
        if self._process and self._process.stdin:
            self._process.stdin.close()

    async def _spawn(self) -> None:
        with self.log.open("ab") as log:
            self.log.chmod(0o600)
            self._process = await asyncio.create_subprocess_exec(
                *self._command, stdin=asyncio.subprocess.PIPE, stdout=log, stderr=log
            )

    async def _replace_lost(self) -> None:
        for _ in range(ATTEMPTS):
            assert self._process
            await self._process.wait()
            await self._spawn()
