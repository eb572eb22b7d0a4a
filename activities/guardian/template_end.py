"""How a fork of a template ends: as Python does, but for taking apart all that it shares with the template.

That would copy it, page by page, for nothing: it takes as long as the server's start. What a program may rely on at its
end is done: threads are waited for, `atexit` is heeded, files are closed. `__del__` of what is still there is not
called; Python promises that to nobody. Standard library only, and loaded before the fork.
"""

import atexit
import ctypes
import gc
import io
import sys
import threading
from contextlib import suppress
from typing import NoReturn

_STREAMS = ("stdin", "stdout", "stderr")


def leave(code: int) -> NoReturn:
    """End the process with this exit code."""
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    _close_files()
    ctypes.CDLL(None).exit(code)  # what libraries in C do at the end is done, too
    raise AssertionError("a process goes on after its end")


def _close_files() -> None:
    """Close what the fork has opened, as far as anybody refers to it: what was written to it is in its file then."""
    streams = [getattr(sys, name) for name in _STREAMS]
    kept = {id(part) for stream in streams for part in (stream, getattr(stream, "buffer", None))}
    for stream in streams:
        with suppress(Exception):
            stream.flush()
    for found in gc.get_objects():
        if issubclass(type(found), io.IOBase) and id(found) not in kept:
            with suppress(Exception):
                found.close()
