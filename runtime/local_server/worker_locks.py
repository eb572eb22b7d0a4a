"""Locks that say which processes serve what on the embedded server; each is gone with its process."""

import asyncio
import hashlib
from collections.abc import Callable
from pathlib import Path

from runtime.local_server.locks import Lock, acquire, attempt, is_held
from runtime.state import existing_state_dir, state_dir

POLL_SECONDS = 0.1
_WORKER_LOCK = "worker.lock"


def _worker_lock() -> Path:
    return state_dir() / _WORKER_LOCK


def serve_as_worker() -> Lock:
    """Mark this process as a worker that serves all runs of the embedded server, until the lock is released."""
    return acquire(_worker_lock(), shared=True)


def worker_present() -> bool:
    """Return whether some process has `serve_as_worker`'s lock."""
    return is_held(_worker_lock(), shared=True)


def is_worker_known() -> bool:
    """Return the same, and make nothing: without a state folder that can be used, no worker is known."""
    folder = existing_state_dir()
    try:
        return folder is not None and (path := folder / _WORKER_LOCK).exists() and is_held(path, shared=True)
    except OSError:  # what is wrong with it is told when it is used
        return False


class RunLock:
    """Hold the right to serve one run's own task queue."""

    def __init__(self, path: Path, lock: Lock) -> None:
        self._path, self._lock = path, lock

    def release(self) -> None:
        """Let another process serve the run. Call it once."""
        if self._lock.names(self._path):
            self._path.unlink()  # while it is locked: who waits for it sees that the name is another file's
        self._lock.release()


def serve_run(task_queue: str) -> RunLock | None:
    """Take the right to serve a run's own task queue; None where another process has it."""
    path = state_dir() / "runs" / f"{hashlib.sha256(task_queue.encode()).hexdigest()[:32]}.lock"
    path.parent.mkdir(mode=0o700, exist_ok=True)
    while lock := attempt(path):
        if lock.names(path):
            return RunLock(path, lock)
        lock.release()
    return None


def is_run_served(task_queue: str) -> bool:
    """Return whether some process serves the run's own task queue."""
    lock = serve_run(task_queue)
    if lock:
        lock.release()
    return lock is None


async def until_served(task_queue: str) -> None:
    """Return when some process serves the run's own task queue."""
    while lock := serve_run(task_queue):
        lock.release()
        await asyncio.sleep(POLL_SECONDS)


async def wait_for_run(task_queue: str, is_over: Callable[[], bool]) -> RunLock | None:
    """Take the right to serve a run's own task queue, once it is free; None as soon as `is_over`."""
    while not is_over():
        if lock := serve_run(task_queue):
            return lock
        await asyncio.sleep(POLL_SECONDS)
    return None
