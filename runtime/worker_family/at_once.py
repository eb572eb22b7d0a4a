"""How much a worker does at once, where nobody says: by the memory that the machine, or its container, has."""

import os
from contextlib import suppress
from pathlib import Path

from grammar.model_access import endpoint

# Of control groups, version 2 and version 1: as a container sees its own.
_LIMITS = ("memory.max", "memory/memory.limit_in_bytes")
_GROUPS = Path("/sys/fs/cgroup")

# Bytes that one activity takes at most in the long run: an agent takes 1 MB, a server that it has to itself 20 to 40.
_OF_ONE = 40 * 2**20
FEWEST, MOST = 20, 1_000


def memory(groups: Path = _GROUPS) -> int:
    """Return how many bytes of memory processes here may take: the container's limit, else all that the machine has."""
    limits = [os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")]
    for name in _LIMITS:
        with suppress(OSError, ValueError):  # "max": there is no limit
            limits.append(int((groups / name).read_text()))
    return min(limits)


def activities_at_once(available: int) -> int:
    """Return how many activities a worker runs at once, where nobody says: what fits into half of `available` bytes.

    From FEWEST to MOST. The other half is for the server, scripts, and whatever else is on the machine.
    """
    return max(FEWEST, min(MOST, available // 2 // _OF_ONE))


def usual_processes() -> int:
    """Return how many processes run activities: one core is left to the rest. The embedded model is there once."""
    return 1 if endpoint.is_embedded(os.environ) else max(1, (os.cpu_count() or 1) - 1)
