"""What this process runs with: told in the memo of the runs it starts, and in the identity of the worker that it is."""

import os
import socket
from pathlib import Path

from grammar.messages.process_setup import ProcessSetup, WorkerIdentity
from runtime.version import version


def setup() -> ProcessSetup:
    """Return what this process runs with, as it is now."""
    try:
        folder = str(Path.cwd())
    except OSError:  # it was removed
        folder = ""
    return ProcessSetup.of(os.environ, folder, version(), socket.gethostname())


def worker_identity() -> str:
    """Return the Temporal identity of a worker in this process: who it is, and what it runs with."""
    return str(WorkerIdentity(os.getpid(), setup()))


def described(worker: WorkerIdentity) -> str:
    """Return a worker as the person at this machine reads it."""
    return worker.described(str(Path.home()), socket.gethostname())


def is_gone(worker: WorkerIdentity) -> bool:
    """Return whether the worker was a process of this machine, and has ended; False where that cannot be told."""
    if worker.setup.host != socket.gethostname():
        return False
    try:
        os.kill(worker.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False
