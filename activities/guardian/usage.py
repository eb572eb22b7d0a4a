"""What the processes of a sandbox take together, and which of its limits that is beyond.

Standard library only: the guardian's processes load this.
"""

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from activities.guardian.messages import SandboxLimits
from activities.guardian.process_table import ProcessTable

# Seconds between two looks, at least; at most so many while nothing is done; and how many times as long as a look took.
INTERVAL, IDLE_INTERVAL = 0.2, 1.0
SPARING = 20
_PAGE = os.sysconf("SC_PAGE_SIZE")
_TICKS = os.sysconf("SC_CLK_TCK")
# Bubblewrap's own: one outside, one inside.
_OF_BUBBLEWRAP = 2


class Taken(NamedTuple):
    """What processes take together, or have taken: in the units of SandboxLimits."""

    memory: int
    processes: int
    cpu: float
    disk: int


class Watch:
    """Look now and then at what a sandbox takes. `pause`: seconds until the next look is due."""

    def __init__(self, limits: SandboxLimits) -> None:
        self._limits = limits
        self._table = ProcessTable(os.getpid())
        self._interval = INTERVAL
        self._last: Taken | None = None
        self._due = time.monotonic() + INTERVAL

    @property
    def pause(self) -> float:
        """Return the seconds until the next look is due."""
        return max(0.0, self._due - time.monotonic())

    def breach(self) -> str | None:
        """Look, where that is due; return the name of a limit that is passed, None where none is."""
        if self.pause:
            return None
        started = time.monotonic()
        pids = list(self._table.descendants())
        taken = usage(pids)
        found = beyond(taken, self._limits)
        if found == "memory" and shared_memory(pids) <= self._limits.memory:
            found = None  # what several have in common had been counted for each
        self._interval = min(2 * self._interval, IDLE_INTERVAL) if taken == self._last else INTERVAL
        self._last = taken
        ended = time.monotonic()
        self._due = ended + max(self._interval, SPARING * (ended - started))
        return found


def beyond(taken: Taken, limits: SandboxLimits) -> str | None:
    """Return the name of the first limit that is passed, None where none is."""
    for name, value in taken._asdict().items():
        limit = getattr(limits, name)
        if limit is not None and value > limit:
            return name
    return None


def usage(pids: Iterable[int]) -> Taken:
    """Return what they take; of memory, at most: what several have in common counts for each."""
    memory = processes = ticks = disk = 0
    files = dict[tuple[int, int], int]()
    for pid in pids:
        with suppress(OSError):  # it may have ended meanwhile
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            ticks += sum(map(int, fields[11:15]))
            processes += int(fields[17])
            memory += int(Path(f"/proc/{pid}/statm").read_bytes().split()[1]) * _PAGE
            disk += _value(f"/proc/{pid}/io", b"write_bytes:")
            files |= _files_in_memory(pid)
    return Taken(memory + sum(files.values()), max(0, processes - _OF_BUBBLEWRAP), ticks / _TICKS, disk)


def shared_memory(pids: Iterable[int]) -> int:
    """Return the memory that they take, in bytes; what several have in common counts once. It takes its time."""
    private = shared = 0
    files = dict[tuple[int, int], int]()
    for pid in pids:
        with suppress(OSError):
            private += _value(f"/proc/{pid}/smaps_rollup", b"Pss_Anon:") * 1024
            shared += _value(f"/proc/{pid}/smaps_rollup", b"Pss_Shmem:") * 1024
            files |= _files_in_memory(pid)
    return private + max(shared, sum(files.values()))


def _files_in_memory(pid: int) -> dict[tuple[int, int], int]:
    """The sizes of what a process holds by `memfd_create`, by device and number."""
    found = {}
    for path in Path(f"/proc/{pid}/fd").iterdir():
        with suppress(OSError):
            if str(path.readlink()).startswith("/memfd:"):
                state = path.stat()
                found[state.st_dev, state.st_ino] = state.st_blocks * 512
    return found


def _value(path: str, name: bytes) -> int:
    for line in Path(path).read_bytes().splitlines():
        if line.startswith(name):
            return int(line.split()[1])
    return 0
