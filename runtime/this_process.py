"""What this process runs with: told in the memo of the runs it starts, and in the identity of the worker that it is."""

import os
import pwd
import socket
from pathlib import Path

from grammar.model_access.process_setup import ProcessSetup, WorkerIdentity, short_folder
from runtime.version import version

_worker: int | None = None


def setup() -> ProcessSetup:
    """Return what this process runs with, as it is now."""
    try:
        folder = str(Path.cwd())
    except OSError:  # it was removed
        folder = ""
    return ProcessSetup.of(os.environ, folder, version(), socket.gethostname(), _user())


def is_own(started: ProcessSetup) -> bool:
    """Return whether a run with this setup was started by the person who runs this process, on this machine.

    Runs of versions that did not record a name count as theirs, if they are of this machine.
    """
    return started.host == socket.gethostname() and started.user in ("", _user())


def worker_identity() -> str:
    """Return the Temporal identity of the worker that this process is, or is one of: who it is, what it runs with."""
    return str(WorkerIdentity(_worker or os.getpid(), setup()))


def belong_to(worker: int) -> None:
    """Have this process be one of a worker's. `worker`: the id of their parent, by which people know it."""
    global _worker  # noqa: PLW0603 - it is of the process
    _worker = worker


def described(worker: WorkerIdentity, with_model: bool = True) -> str:
    """Return a worker as the person at this machine reads it; `with_model`: with the model that answers by default."""
    return worker.described(_home(), socket.gethostname(), with_model)


def short(folder: str) -> str:
    """Return the folder as the person at this machine reads it: with `~` for the home directory."""
    return short_folder(folder, _home())


def is_here(worker: WorkerIdentity) -> bool:
    """Return whether the worker is a process of this machine."""
    return worker.setup.host == socket.gethostname()


def is_gone(worker: WorkerIdentity) -> bool:
    """Return whether the worker was a process of this machine, and has ended; False where that cannot be told."""
    if not is_here(worker):
        return False
    try:
        os.kill(worker.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _user() -> str:
    """The name of this process's user; not what the environment says of it."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:  # a container may have users without names
        return f"uid {os.geteuid()}"


def _home() -> str:
    try:
        return str(Path.home())
    except RuntimeError:  # no HOME, and no entry for this user
        return ""
