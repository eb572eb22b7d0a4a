"""The processes that come of a benchmark, whoever started them and whoever their parent is by now.

Ours clear their environment, and let nobody look into them: only their place in the tree of processes tells.
"""

import ctypes
import sys
from contextlib import suppress

import psutil

_SET_CHILD_SUBREAPER = 36  # of prctl(2)


class Descendants:
    """Know what is started below this process from now on; on Linux, also what outlives its parent."""

    def __init__(self) -> None:
        if sys.platform == "linux":
            ctypes.CDLL(None).prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)  # orphans become children of this process
        self._others = set(psutil.Process().children())

    def living(self) -> list[psutil.Process]:
        """Return those that have not ended, with all below them; what was there before is left out."""
        found = []
        for child in set(psutil.Process().children()) - self._others:
            with suppress(psutil.NoSuchProcess):
                found += [child, *child.children(recursive=True)]
        return [process for process in found if _lives(process)]


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False
