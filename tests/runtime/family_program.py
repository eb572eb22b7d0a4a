"""A family whose members do nothing but what a test needs.

python -m tests.runtime.family_program FIRST OTHER...        how each member behaves: see BEHAVIOURS
"""

import asyncio
import os
import signal
import socket
import sys
import time
from functools import partial
from pathlib import Path
from typing import NoReturn

from runtime.worker_family.family import Family, Role
from runtime.worker_family.member import ParentLink


def tell(*words: object) -> None:
    os.write(1, f"{' '.join(map(str, words))}\n".encode())


def waits(name: str, parent: ParentLink) -> None:
    """Serve a task queue, be ready, and wait."""
    if name == "first":
        parent.serve("queue")
        parent.ready("all are ready")
        signal.pause()
    asyncio.run(follows(name, parent))


async def follows(name: str, parent: ParentLink) -> None:
    parent.ready()
    async for order in parent.orders():
        tell(name, "is to", *order)


def ends(name: str, parent: ParentLink) -> None:
    parent.ready()
    time.sleep(0.2)


def fails(name: str, parent: ParentLink) -> None:
    os._exit(2)


def breaks(name: str, parent: ParentLink) -> None:
    parent.ready()
    os._exit(3)


def stays(name: str, parent: ParentLink) -> None:
    """Hear no SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    parent.ready()
    time.sleep(600)


BEHAVIOURS = {each.__name__: each for each in (waits, ends, fails, breaks, stays)}


def member(name: str, behaviour: str, link: socket.socket) -> NoReturn:
    tell(name, "has", os.getpid(), "stdin", Path("/proc/self/fd/0").readlink())
    BEHAVIOURS[behaviour](name, ParentLink(link))
    os._exit(0)


if __name__ == "__main__":
    first, *others = sys.argv[1:]
    roles = [Role(f"other {place}", partial(member, f"other {place}", how)) for place, how in enumerate(others)]
    family = Family(
        Role("first", partial(member, "first", first), has_stdin=True), roles, partial(tell, "loaded"),
        (signal.SIGINT, signal.SIGTERM, signal.SIGHUP),
    )  # fmt: skip
    sys.exit(family.run())
