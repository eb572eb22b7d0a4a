"""How each process of ours finds its modules: the console scripts begin here, and so does every child process.

    python -P launch.py MODULE ARGUMENTS
    python -P launch.py worker.py ARGUMENTS
    python -P launch.py --later worker.py        what it is to do is told on its stdin, while it loads

In a checkout, the rooms (`grammar`, `activities`, ...) lie beside this package. Installed, they lie in it, in `app`,
where nobody else's import meets them. Either way, their folder comes first on `sys.path`: before a package of
somebody else that has the name of a room. The working directory is not on it at all.

Each process of ours keeps to itself what it was started with: its environment holds keys, and scripts run beside it.
"""

import ctypes
import gc
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path

PASSED_ON = ("HOME", "PATH", "TMPDIR", "TZ", "LANG", "LC_ALL", "LC_CTYPE", "LD_LIBRARY_PATH")

_LATER = "--later"
_SET_DUMPABLE = 4  # of prctl(2)
_ENVIRONMENT = slice(47, 49)  # where it begins and ends, of what follows the program's name in /proc/PID/stat


def rooms() -> Path:
    """Return the folder that holds the rooms, `starter.py` and `worker.py`."""
    installed = Path(__file__).absolute().with_name("app")
    return installed if installed.is_dir() else installed.parents[1]


def command(module: str, *arguments: str, options: tuple[str, ...] = (), later: bool = False) -> list[str]:
    """Return the command line of a process that calls `main()` of a module of ours; `options` are Python's own.

    A program of ours may be named by its file, as people know it who look at processes: `worker.py`. It depends on no
    variable and no working directory: the environment of a child is what its parent hands on. `later`: it waits for
    one line on its stdin, that of `told`.
    """
    waits = [_LATER] if later else []
    return [sys.executable, "-P", *options, str(Path(__file__).absolute()), *waits, module, *arguments]


def told(arguments: Sequence[str], environment: Mapping[str, str], log: Path) -> bytes:
    """Return the line that tells a process what to do that was started to do it later.

    `log`: the file that it writes to from then on; it is there. Where stdin is closed before, it ends.
    """
    document = {"arguments": [*arguments], "environment": {**environment}, "log": str(log)}
    return json.dumps(document).encode() + b"\n"


def bare_environment() -> dict[str, str]:
    """Return the environment of a child that needs no variables of the person's, keys least of all."""
    return {name: os.environ[name] for name in PASSED_ON if name in os.environ}


def make_private() -> None:
    """Keep other processes of the same user out of this one's memory, and its environment out of /proc. On Linux only.

    Who may look into all processes (root) still finds the variables in its memory.
    """
    if sys.platform != "linux":
        return
    _clear_initial_environment()
    ctypes.CDLL(None).prctl(_SET_DUMPABLE, 0, 0, 0, 0)


def _clear_initial_environment() -> None:
    """Clear the block that the process was started with, which /proc/PID/environ shows, once nothing refers to it."""
    try:
        told = Path("/proc/self/stat").read_bytes().rpartition(b") ")[2].split()
    except OSError:  # there is no /proc
        return
    start, end = map(int, told[_ENVIRONMENT])
    for name, value in os.environb.items():
        os.putenv(name, value)  # the C library makes a copy of its own
    if 0 < start < end:
        ctypes.memset(start, 0, end - start)


def call(module: str, later: bool = False) -> None:
    """Call `main()` of a module of ours, which reads `sys.argv`. `later`: once it was told what to do, if it is."""
    make_private()
    sys.path.insert(0, str(rooms()))
    sys.path.append(str(Path(__file__).absolute().parents[1]))  # of this package, where Python was told to leave it out
    with loading():
        loaded = import_module(module)
    if not later or _is_told():
        loaded.main()


def _is_told() -> bool:
    """Return whether stdin says what to do, and be as it says."""
    line = b""
    while not line.endswith(b"\n"):
        if not (piece := os.read(0, 65_536)):
            return False
        line += piece
    document = json.loads(line)
    sys.argv[1:] = document["arguments"]
    os.environ.clear()
    os.environ.update(document["environment"])
    log = os.open(document["log"], os.O_WRONLY | os.O_APPEND)
    for stream in (1, 2):
        os.dup2(log, stream)
    os.close(log)
    return True


@contextmanager
def loading() -> Iterator[None]:
    """Load modules in the block, with all that they need: what is loaded stays, so there is nothing to collect."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()


def starter() -> None:
    """Run the console script `taskflow`."""
    call("starter")


def worker() -> None:
    """Run the console script `taskflow-worker`."""
    call("worker")


def toolbox() -> None:
    """Run the console script `taskflow-toolbox`."""
    call("taskflows.toolboxes.__main__")


if __name__ == "__main__":
    del sys.argv[0]
    if is_later := sys.argv[0] == _LATER:
        del sys.argv[0]
    call(sys.argv[0].removesuffix(".py"), is_later)
