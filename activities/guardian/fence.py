"""What a warden does for a start in a sandbox, beside starting bubblewrap.

Standard library only: the guardian's processes load this.
"""

import errno
import fcntl
import json
import os
import re
import resource
import socket
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from activities.guardian import kernel
from activities.guardian.messages import FILTER, FIRST_PATH, HOLD, PROXY_PORT, STATUS, Fence, SandboxLimits

# Of a file in memory: it is a program, and stays as it is.
_EXECUTABLE = 0x10
_SEALS = fcntl.F_SEAL_WRITE | fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW | fcntl.F_SEAL_SEAL if kernel.IS_LINUX else 0
# Above all that bubblewrap is given.
_OUT_OF_THE_WAY = 128
# Bubblewrap's own process in the sandbox.
_OF_BUBBLEWRAP = 1
# Of a user in a sandbox, Linux counts the processes there alone since 5.14; before, all that he has.
_COUNTED_APART = [int(number) for number in re.findall(r"\d+", os.uname().release)[:2]] >= [5, 14]


class FencedStart:
    """Hold the descriptors of one bubblewrap. `first`: the first process in the sandbox; with it, all others end.

    Raises OSError where a path of the fence leads through a symbolic link, or is not there.
    """

    def __init__(self, fence: Fence) -> None:
        self.first: int | None = None
        self._limits = fence.limits
        self._status, status = os.pipe()
        filtered, filter_ = os.pipe()
        hold, self._hold = os.pipe()
        os.write(filter_, bytes.fromhex(fence.system_calls))
        os.close(filter_)
        theirs = [(status, STATUS), (filtered, FILTER), (hold, HOLD)]
        theirs += [(open_below(*path), FIRST_PATH + place) for place, path in enumerate(fence.folders)]
        self._theirs = [(_moved(descriptor), number) for descriptor, number in theirs]

    @property
    def given(self) -> list[tuple[int, int]]:
        """Return the descriptors for bubblewrap, and the numbers that they get there."""
        return self._theirs

    def release(self) -> None:
        """Let bubblewrap, once it was started, go on to the program, with its limits."""
        for descriptor, _ in self._theirs:
            os.close(descriptor)
        with suppress(ValueError, KeyError, OSError):  # bubblewrap has failed, and tells on its stderr
            self.first = int(json.loads(_line(self._status))["child-pid"])
            _limit(self.first, self._limits)
        with suppress(BrokenPipeError):
            os.write(self._hold, b"!")
        os.close(self._hold)

    def has_begun(self) -> bool:
        """Return whether the program was run, once bubblewrap has ended: it tells of its exit code then."""
        os.set_blocking(self._status, False)
        with suppress(BlockingIOError):
            return b"exit-code" in os.read(self._status, 65_536)
        return False


def sealed(program: str) -> str:
    """Return a path of the program that cannot be written to: the program itself, or a copy in memory, sealed.

    The first process of a sandbox is bubblewrap, and whoever may write to its file could reach that through
    `/proc/1/exe`, past all mounts.
    """
    if not os.access(program, os.W_OK):
        return program
    with Path(program).open("rb") as original:
        if original.read(2) == b"#!":  # a script around it, whose interpreter is the process, and opens it by its path
            return program
        copy = _file_in_memory()
        os.sendfile(copy, original.fileno(), 0, os.fstat(original.fileno()).st_size)
    fcntl.fcntl(copy, fcntl.F_ADD_SEALS, _SEALS)
    return f"/proc/self/fd/{copy}"


def _file_in_memory() -> int:
    flags = os.MFD_ALLOW_SEALING | os.MFD_CLOEXEC
    try:
        return os.memfd_create("bubblewrap", flags | _EXECUTABLE)
    except OSError:  # before Linux 6.3, all of them are
        return os.memfd_create("bubblewrap", flags)


def stand_out() -> None:
    """Have this process run when it is due, whatever else there is, where it may ask for that: as root.

    For root alone Linux does not count processes, so that it is up to looks to hold what starts them without end.
    """
    with suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_RR | os.SCHED_RESET_ON_FORK, os.sched_param(1))


@contextmanager
def expendable() -> Iterator[None]:
    """Have what is started in the block be among the first that the kernel ends where memory runs out."""
    score = Path("/proc/self/oom_score_adj")
    before = score.read_text()
    with suppress(OSError):
        score.write_text("1000")
    yield
    with suppress(OSError):
        score.write_text(before)


def listening_socket() -> socket.socket:
    """Give this process a network of its own, and return a socket that listens there. Raises OSError."""
    kernel.own_network()
    return socket.create_server(("127.0.0.1", PROXY_PORT))


def open_below(folder: str, path: str) -> int:
    """Return a descriptor of what is at `path` in the folder. Raises OSError, of a symbolic link on the way too."""
    found = os.open(folder, os.O_PATH)
    for name in Path(path).parts:
        above = found
        try:
            found = os.open(name, os.O_PATH | os.O_NOFOLLOW, dir_fd=above)
        finally:
            os.close(above)
        if stat.S_ISLNK(os.fstat(found).st_mode):
            raise OSError(errno.ELOOP, os.strerror(errno.ELOOP), path)
    return found


def _moved(descriptor: int) -> int:
    moved = fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, _OUT_OF_THE_WAY)
    os.close(descriptor)
    return moved


def _line(descriptor: int) -> bytes:
    """What comes up to the end of the first line."""
    found = b""
    while not found.endswith(b"\n") and (sign := os.read(descriptor, 1)):
        found += sign
    return found


def _limit(pid: int, limits: SandboxLimits) -> None:
    """Give a process limits, each for itself alone, that hold between two looks at what all take together."""
    bounds = {
        resource.RLIMIT_CORE: 0,
        resource.RLIMIT_DATA: limits.memory,
        resource.RLIMIT_FSIZE: limits.disk,
        resource.RLIMIT_CPU: None if limits.cpu is None else int(limits.cpu) + 1,
        resource.RLIMIT_NPROC: limits.processes + _OF_BUBBLEWRAP if _COUNTED_APART else None,
    }
    for kind, bound in bounds.items():
        if bound is not None:
            resource.prlimit(pid, kind, (bound, bound))
