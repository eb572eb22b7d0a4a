"""The guardian: a small process beside the worker. Of it, each start of a script or a server has a fork, its warden.

    python -P -I -S launch.py activities.guardian.program

On stdin it has a socket: each byte that comes asks for a start, and brings the descriptors of a socket, which is the
warden's from then on, and of the process's three streams. Orphans come to their warden, or to the guardian where that
was killed.

Standard library only: it starts at once and stays small.
"""

import gc
import os
import signal
import socket
import time
from contextlib import suppress

from activities.guardian import kernel
from activities.guardian.process_table import ProcessTable
from activities.guardian.warden import Spawn, Warden, send, spawn

STREAMS = 3
# Seconds.
PAUSE = 0.02


class InServer(BaseException):
    """Leave a fork's call stack: the fork is to become the server."""


class Guardian:
    """Fork a warden for each start, and end what is left by a warden that was killed.

    `spawn`: starts the process that a warden is asked for.
    """

    def __init__(self, spawn: Spawn = spawn) -> None:
        self._spawn = spawn
        self._wardens: set[int] = set()

    def serve(self, asked: socket.socket) -> None:
        """Fork wardens until the worker is gone, and return when they are."""
        signal.signal(signal.SIGCHLD, self._reap)
        while True:
            _, descriptors, _, _ = socket.recv_fds(asked, 1, 1 + STREAMS)
            if not descriptors:
                break
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)  # Python leaves them as they come
            self._fork(asked, descriptors)
            for descriptor in descriptors:
                os.close(descriptor)
        while self._wardens:
            time.sleep(PAUSE)

    def _fork(self, asked: socket.socket, descriptors: list[int]) -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        if pid := os.fork():
            self._wardens.add(pid)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            return
        try:
            asked.close()
            with socket.socket(fileno=descriptors[0]) as worker:
                Warden(worker, self._spawn).run(descriptors[1:])
            os._exit(0)
        except InServer:
            raise
        except BaseException:
            os._exit(1)

    def _reap(self, *_: object) -> None:
        """Take notice of what has ended. What a warden leaves that was killed is ended first."""
        is_killed = self._ended_wardens()
        while is_killed and (orphans := self._orphans()):
            for pid in orphans:
                send(pid, signal.SIGKILL)
            time.sleep(PAUSE)
            self._ended_wardens()

    def _ended_wardens(self) -> bool:
        """Whether one of them has ended before it had done its work."""
        found = False
        with suppress(ChildProcessError):
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                found = found or (ended[0] in self._wardens and ended[1] != 0)
                self._wardens.discard(ended[0])
        return found

    def _orphans(self) -> list[int]:
        """What is no warden, nor below one."""
        guarded = set(self._wardens)
        table = ProcessTable(os.getpid()).descendants()
        for pid, kinship in table.items():
            if kinship.parent in guarded:
                guarded.add(pid)
        return [pid for pid in table if pid not in guarded]


def main() -> None:
    """Serve the socket on stdin until its other end is closed."""
    asked = begin()
    gc.freeze()  # so that forks go on sharing it
    Guardian().serve(asked)


def begin() -> socket.socket:
    """Have this process live as long as it is asked for anything, and return the socket on which it is."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    kernel.adopt_orphans()
    asked = socket.socket(fileno=os.dup(0))
    nothing = os.open(os.devnull, os.O_RDWR)
    os.dup2(nothing, 0)
    os.close(nothing)
    return asked
