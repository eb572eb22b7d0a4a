"""`worker.py health`: whether a worker of this machine does its work, for Docker and Kubernetes."""

from grammar.exit_codes import ExitCode
from runtime.backend import find_backend
from runtime.local_server import worker_locks
from runtime.runs import pollers


async def health(task_queue: str) -> tuple[int, str]:
    """Return the exit code, and what there is to tell in a line. Raises UserError where the server cannot be met."""
    async with find_backend() as found:
        if found.embedded and not worker_locks.worker_present():
            return ExitCode.FAILED, "no worker of this user serves the embedded server"
        backend = await found.connect()
        missing = await pollers.not_polled_here(backend.client, task_queue)
    if missing:
        return ExitCode.FAILED, f"no worker of this machine polls task queue {task_queue} for {' or '.join(missing)}"
    return ExitCode.DONE, f"a worker of this machine polls task queue {task_queue}"
