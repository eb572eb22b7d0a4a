"""Which processes there are, and which of them descend from one.

Standard library only: the guardian's processes load this.
"""

from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from activities.guardian.kernel import IS_LINUX


class Kinship(NamedTuple):
    """What is known of a process's place among others."""

    parent: int
    """Its parent's id; 0: it has none."""
    group: int
    """The id of its process group."""


class ProcessTable:
    """Look up the descendants of the process `root`.

    A process that is known to descend from another one is not looked at again: that never changes.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self._strangers = {0}

    def descendants(self) -> dict[int, Kinship]:
        """Return the descendants that there are now, by id; each stands behind its parent."""
        table = dict(_on_linux(self._strangers) if IS_LINUX else _elsewhere())
        children = defaultdict[int, list[int]](list)
        for pid, kinship in table.items():
            children[kinship.parent].append(pid)
        found = _line(self._root, children)
        # Not those whose parent has just ended: they are somebody's child again at the next look.
        self._strangers.update(*[_line(pid, children) for pid in self._strangers])
        self._strangers -= {self._root, *found}
        return {pid: table[pid] for pid in found}


def _line(root: int, children: dict[int, list[int]]) -> list[int]:
    """All below `root`."""
    found = list(children.get(root, ()))
    for pid in found:
        found += children.get(pid, ())
    return found


def _on_linux(strangers: set[int]) -> Iterator[tuple[int, Kinship]]:
    """Those that are not among the strangers; of the strangers, those that are gone are taken out."""
    present = {int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()}
    strangers &= {0, *present}  # an id may be given again
    for pid in present - strangers:
        with suppress(OSError):  # it may have ended meanwhile
            fields = Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()
            yield pid, Kinship(int(fields[1]), int(fields[2]))


def _elsewhere() -> Iterator[tuple[int, Kinship]]:
    import subprocess  # it would make each fork cost twice as much

    listed = subprocess.run(["ps", "-A", "-o", "pid=,ppid=,pgid="], capture_output=True, text=True, check=False)
    for line in listed.stdout.splitlines():
        pid, parent, group = map(int, line.split())
        yield pid, Kinship(parent, group)
