"""Which processes serve what on the embedded server: a lock each, gone with its process."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

from runtime.local_server.locks import Lock, acquire, attempt, is_held
from runtime.state import state_dir

POLL_SECONDS = 0.1


def _worker() -> Path:
    return state_dir() / "worker.lock"


def serve_as_worker() -> Lock:
    """Say that this process is a worker on the embedded server, until the lock is released."""
    return acquire(_worker(), shared=True)


def worker_present() -> bool:
    """Whether a worker process serves the embedded server."""
    return is_held(_worker(), shared=True)


class RunLock:
    """The right to serve one run's own task queue."""

    def __init__(self, path: Path, lock: Lock) -> None:
        self._path, self._lock = path, lock

    def release(self) -> None:
        """Let another process serve the run."""
        if self._lock.names(self._path):
            self._path.unlink()  # while it is locked: who waits for it sees that the name is another file's
        self._lock.release()


def serve_run(name: str) -> RunLock | None:
    """Take the run's task queue `name`; None where another process serves it."""
    path = state_dir() / "runs" / f"{hashlib.sha256(name.encode()).hexdigest()[:32]}.lock"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    while lock := attempt(path):
        if lock.names(path):
            return RunLock(path, lock)
        lock.release()
    return None


async def until_served(name: str) -> None:
    """Return when some process serves the run's task queue."""
    while lock := serve_run(name):
        lock.release()
        await asyncio.sleep(POLL_SECONDS)


async def wait_for_run(name: str, is_over: Callable[[], bool]) -> RunLock | None:
    """Take the run's task queue as soon as the process that serves it is gone; None once nobody need serve it."""
    while not is_over():
        if lock := serve_run(name):
            return lock
        await asyncio.sleep(POLL_SECONDS)
    return None
