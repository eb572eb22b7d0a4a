"""The worker process that a starter brings along, where no other worker serves the embedded server.

A process of its own, so that a run goes on when its starter is detached or dies. It ends when its run has
ended and its stdin is closed, which happens when the starter has seen enough, or is gone.
"""

import asyncio
import math
import os
import subprocess

from grammar import limits
from grammar.messages.run_bundle import Bundle
from grammar.model_access.process_setup import embedded_apis
from runtime.local_server import early_worker
from runtime.state import state_dir
from temporal_taskflow import launch

ATTEMPTS = 5
# Between two looks whether it has ended: while it works, and once it is about to end.
WATCH_SECONDS, POLL_SECONDS = 0.5, 0.02
# Branches side by side that keep one process busy.
BRANCHES_OF_ONE = 25


class WorkerProcess:
    """Run `worker.py --run ID`, and start it again if it is lost.

    `flow`: what it serves; None: it answers queries, and does none of the run's work.
    """

    def __init__(self, run_id: str, task_queue: str, flow: Bundle | None) -> None:
        self._arguments = ["--run", run_id, "--task-queue", task_queue]
        self._arguments += ["--processes", str(processes(flow))] if flow else ["--queries-only"]
        self._process: subprocess.Popen[bytes] | None = None
        self._watch: asyncio.Task[None] | None = None
        self.log = state_dir() / "worker.log"

    @property
    def pid(self) -> int:
        """Return the id of the process; 0 before it is started."""
        return self._process.pid if self._process else 0

    async def start(self) -> None:
        """Start the process, and replace it if it is lost, up to ATTEMPTS times.

        Raises UserError where it would not start: it could tell so nowhere but in its log.
        """
        limits.check()
        self._process = self._spawned()
        self._watch = asyncio.create_task(self._replace_lost())

    async def stop(self) -> None:
        """Let the process go, and wait for its end: it ends when its run has."""
        self.let_go()
        if self._process:
            await _end_of(self._process, POLL_SECONDS)

    def let_go(self) -> None:
        """Close the process's stdin: it serves the run to its end, and then ends itself."""
        if self._watch:
            self._watch.cancel()
        if self._process and self._process.stdin:
            self._process.stdin.close()

    def _spawned(self) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            self.log.chmod(0o600)
            return early_worker.take(self._arguments, self.log) or subprocess.Popen(
                launch.command("worker.py", *self._arguments), stdin=subprocess.PIPE, stdout=log, stderr=log
            )

    async def _replace_lost(self) -> None:
        for _ in range(ATTEMPTS):
            assert self._process
            await _end_of(self._process, WATCH_SECONDS)
            self._process = self._spawned()


async def _end_of(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Return when the process has ended. `seconds`: between two looks."""
    while process.poll() is None:  # noqa: ASYNC110 - the event loop hears of the end of its own processes alone
        await asyncio.sleep(seconds)


def processes(flow: Bundle) -> int:
    """Return how many processes are to run its activities: no more than it keeps busy, and one core is left.

    What there is once in a process would be there several times: the embedded model, servers that all agents share.
    """
    if flow.shares_servers or embedded_apis(flow, os.environ):
        return 1
    return max(1, min((os.cpu_count() or 1) - 1, math.ceil(flow.most_at_once / BRANCHES_OF_ONE)))
