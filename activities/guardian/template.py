"""A template: a Python process that has imported what a server imports, and of which each start of that has a fork.

    python OPTIONS template.py ROOMS -m MODULE ARGUMENTS
    python OPTIONS template.py ROOMS SCRIPT ARGUMENTS

Python, its options, its variables and its folder are the server's; ROOMS is where modules of ours are. It serves as
the guardian does (program.py), after one line on its socket: empty where it can be forked, else why it cannot.

The module itself is not imported before the fork, nor is any other of its package: modules open logs and databases.
Standard library only, and nothing of ours is left on `sys.path` or in `sys.modules`: what runs here is the server.
"""

import gc
import os
import runpy
import signal
import sys
from contextlib import suppress
from importlib.machinery import SourceFileLoader
from io import BufferedReader, BufferedWriter, FileIO, TextIOWrapper
from pathlib import Path
from types import ModuleType
from typing import Any

_FOLDER = os.path.dirname(os.path.abspath(__file__))  # noqa: PTH100, PTH120 - as Python spells it on sys.path
if sys.path and sys.path[0] == _FOLDER:
    del sys.path[0]
sys.path.insert(0, sys.argv[1])

from activities.guardian import module_imports, program  # noqa: E402
from activities.guardian.messages import StartRequest  # noqa: E402
from activities.guardian.template_end import leave  # noqa: E402
from activities.guardian.warden import Given  # noqa: E402

# As Python itself has them when a program begins.
_IGNORED = (signal.SIGPIPE, signal.SIGXFSZ)
_FIRST_OF_ALL = 3


class TemplateGuardian(program.Guardian):
    """Fork servers of one command line. `allowed`: the descriptors that this process has had from the beginning."""

    def __init__(self, allowed: set[str]) -> None:
        super().__init__(_fork)
        self._allowed = allowed

    def unfit(self) -> str:
        """Return why this process cannot be forked; empty where it can."""
        if len(list(Path("/proc/self/task").iterdir())) > 1:
            return "what it imports starts threads"
        return "what it imports opens files" if descriptors() - self._allowed else ""


def descriptors() -> set[str]:
    """Return what this process has open: numbers, with what each leads to."""
    found = set()
    for entry in Path("/proc/self/fd").iterdir():
        with suppress(OSError):  # the one that lists
            found.add(f"{entry.name} {entry.readlink()}")
    return found


def main() -> None:
    """Import, and serve; then, in a fork, run the module or the script."""
    asked = program.begin()
    template = TemplateGuardian(descriptors())
    arguments = sys.argv[2:]
    _hide()
    module_imports.load(arguments)
    why = template.unfit()
    asked.sendall(f"{why}\n".encode())
    if why:
        return
    gc.freeze()  # so that forks go on sharing it
    try:
        template.serve(asked)
        return
    except program.InServer:
        pass  # with it go the frames that it left, and what they hold
    asked.close()
    try:
        _run(arguments)
    except SystemExit as end:
        if end.code is not None and not isinstance(end.code, int):  # Python prints it
            raise
        leave(end.code or 0)
    leave(0)


def _hide() -> None:
    """Leave nothing of ours where the server's own modules are looked up."""
    sys.path.remove(sys.argv[1])
    for name in [name for name in sys.modules if name.partition(".")[0] == "activities"]:
        del sys.modules[name]


def _fork(request: StartRequest, path: str, given: Given) -> int:
    """Return the id of a fork. In it, raise InServer."""
    if pid := os.fork():
        return pid
    os.setsid()
    for descriptor, number in given:
        os.dup2(descriptor, number)
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP, signal.SIGINT, *_IGNORED}:
        if isinstance(number, signal.Signals) and signal.getsignal(number) is not signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
    for number in _IGNORED:
        signal.signal(number, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    raise program.InServer


def _run(arguments: list[str]) -> None:
    """Be the server, from its first line on."""
    os.closerange(_FIRST_OF_ALL, os.sysconf("SC_OPEN_MAX"))
    _open_streams()
    if numpy := sys.modules.get("numpy"):  # Python's own generator is seeded anew by every fork
        numpy.random.seed()
    if arguments[0] == "-m":
        sys.argv[:] = arguments[1:]
        runpy.run_module(sys.argv[0], None, "__main__", True)
        return
    sys.argv[:] = arguments
    if not getattr(sys.flags, "safe_path", False):
        sys.path.insert(0, str(Path(sys.argv[0]).resolve().parent))
    _run_script(os.path.abspath(sys.argv[0]))  # noqa: PTH100 - it leaves symbolic links as they are


def _open_streams() -> None:
    """Make Python's own streams anew: they remember of what they were made of whether one can seek there."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        stream = _stream(descriptor, getattr(sys, name))
        setattr(sys, name, stream)
        setattr(sys, f"__{name}__", stream)


def _stream(descriptor: int, before: Any) -> TextIOWrapper:
    """Return a stream as Python makes one at its start."""
    raw = FileIO(descriptor, before.mode, closefd=False)
    raw.name = before.name
    is_unbuffered = before.write_through  # `-u`, which is for what is written
    buffer: Any = BufferedReader(raw) if descriptor == 0 else raw if is_unbuffered else BufferedWriter(raw)
    stream = TextIOWrapper(
        buffer, before.encoding, before.errors, "\n", line_buffering=before.line_buffering, write_through=is_unbuffered
    )
    stream.mode = before.mode  # type: ignore[misc]
    return stream


def _run_script(path: str) -> None:
    """Run the file as Python runs one: `runpy` would change `sys.argv`, too."""
    main = sys.modules["__main__"] = ModuleType("__main__")
    main.__file__ = path
    main.__loader__ = SourceFileLoader("__main__", path)
    exec(compile(Path(path).read_bytes(), path, "exec"), main.__dict__)  # noqa: S102 - it is what was asked for


if __name__ == "__main__":
    main()
