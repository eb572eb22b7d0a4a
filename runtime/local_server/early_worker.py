"""A worker process that begins to load before it is known what it will serve (docs/decisions/0030).

To load what runs agents takes as long as all else of a short run: it is done beside the reading of the flow. Where it
turns out that nobody needs the process, it is ended.
"""

import os
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from runtime.local_server import worker_locks
from temporal_taskflow import launch

# With these, nothing is run here, or by a worker of another place; or it is one run that may have a worker.
_NOT_WITH = ("--help", "-h", "--version", "--id", "--task-queue", "--env-file")
_ELSEWHERE = "TEMPORAL_"
_begun: list[subprocess.Popen[bytes]] = []


def is_likely(words: Sequence[str], variables: Mapping[str, str]) -> bool:
    """Return whether a command line looks as if a new run were started on the embedded server.

    A flow is a path or a dotted name, and no command has a dot. To be wrong costs a process, and nothing else.
    """
    if not words or any(word.partition("=")[0] in _NOT_WITH for word in words):
        return False
    is_run = words[0] == "run" or words[0].startswith("-") or "." in words[0]
    return is_run and not any(name.startswith(_ELSEWHERE) for name in variables)


def begin(words: Sequence[str]) -> None:
    """Start a worker process, if it looks as if one will be needed, and none is there."""
    if not is_likely(words, os.environ) or worker_locks.is_worker_known():
        return
    command = launch.command("worker.py", "--run", later=True)  # as other workers of one run are shown
    with suppress(OSError):  # what hinders it is told when it is needed
        _begun.append(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        )


def take(arguments: Sequence[str], log: Path) -> subprocess.Popen[bytes] | None:
    """Return the process that was begun, and goes on as `worker.py ARGUMENTS`; None where there is none.

    `log`: what it writes from now on, its output and its errors. It gets the environment that this process has now.
    """
    if not _begun:
        return None
    process = _begun.pop()
    assert process.stdin
    try:
        process.stdin.write(launch.told(arguments, os.environ, log))
        process.stdin.flush()
    except BrokenPipeError:  # it was ended
        _dismiss(process)
        return None
    return process


def end() -> None:
    """End the process that was begun, if nobody has taken it."""
    while _begun:
        _dismiss(_begun.pop())


def _dismiss(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.communicate()  # which closes its stdin, too
