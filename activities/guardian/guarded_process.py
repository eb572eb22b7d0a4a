"""A process that the guardian has started, as the worker has it."""

import asyncio
import logging
import os
import signal
import socket
from collections.abc import Callable, Sequence
from contextlib import ExitStack

from activities.guardian.client import GUARDIAN
from activities.guardian.messages import END, LISTENING, Report, StartRequest, decode_report, encode_request
from activities.guardian.pipes import Pipes, Streams

log = logging.getLogger(__name__)

LONGEST_END = 10.0
"""Seconds, after which a process that does not end is given up: the kernel holds it."""

_following: set[asyncio.Task[None]] = set()
"""What follows processes. asyncio itself keeps no task, and a process may be dropped before its last report is read."""


class GuardedProcess:
    """Hold a process, with all that it starts. Where this process ends, however that comes about, they end too.

    `stdin`, `stdout`, `stderr`: its pipes; None where it has another stream. `pid`: its id; it leads a group.
    `listening`: the socket on the PROXY_PORT of its network, where it has one of its own with that.
    """

    def __init__(
        self,
        pid: int,
        reports: asyncio.StreamReader,
        orders: asyncio.StreamWriter,
        pipes: Pipes,
        listening: socket.socket | None,
    ) -> None:
        self.pid = pid
        self.listening = listening
        self.stdin, self.stdout, self.stderr = pipes.stdin, pipes.stdout, pipes.stderr
        self._pipes = pipes
        self._orders = orders
        self._report: Report | None = None
        self._ended = asyncio.Event()
        self._following = asyncio.create_task(self._follow(reports))
        _following.add(self._following)
        self._following.add_done_callback(_following.discard)

    @property
    def returncode(self) -> int | None:
        """Return its exit code, negative for the signal that ended it; None while it runs."""
        return self._report.code if self._report else None

    @property
    def is_sandboxed(self) -> bool:
        """Return False where it has ended before it began: the sandbox that it was to have could not be made."""
        return self._report is None or self._report.is_sandboxed

    @property
    def breach(self) -> str | None:
        """Return the limit of its sandbox for which it was ended; None: for none."""
        return self._report.breach if self._report else None

    @property
    def is_left(self) -> bool:
        """Return whether anything is left, of it or of what it started."""
        return not self._following.done() and (self._report is None or self._report.is_left)

    async def wait(self) -> int:
        """Return its exit code, once it has ended itself."""
        await self._ended.wait()
        assert self.returncode is not None
        return self.returncode

    async def wait_over(self) -> None:
        """Return when nothing is left, of it or of what it started."""
        await asyncio.wait({self._following})

    async def end(self) -> None:
        """End it and all that it started: by SIGTERM, and soon by SIGKILL. Its pipes are closed."""
        if not self._following.done():
            self._orders.write(END)
            await asyncio.wait({self._following}, timeout=LONGEST_END)
        if not self._following.done():
            log.error("process %s, or what it started, does not end", self.pid)
        self.close()

    def close(self) -> None:
        """Close our ends of its pipes: what writes to them later is told so."""
        self._pipes.close()

    async def _follow(self, reports: asyncio.StreamReader) -> None:
        try:
            while line := await reports.readline():
                self._report = decode_report(line)
                self._ended.set()
        except ConnectionError:
            log.debug("the warden of process %s was killed", self.pid)
        finally:
            self._report = self._report or Report(code=-signal.SIGKILL)
            self._ended.set()
            self._orders.close()


async def start(
    request: StartRequest, streams: Streams, warden: Callable[[Sequence[int]], socket.socket] | None = None
) -> GuardedProcess:
    """Start a process, in a session of its own. Raises OSError, and ValueError for a NUL in the request.

    `warden`: where its warden comes from, other than from the guardian.
    """
    if any("\0" in text for text in (*request.argv, *request.env, *request.env.values())):
        raise ValueError("embedded null byte")
    with ExitStack() as undoing:
        pipes = Pipes(streams)
        undoing.callback(pipes.close)
        asking = _asking(pipes, warden or GUARDIAN.warden)
        undoing.callback(asking.close)
        asking.setblocking(False)
        await pipes.connect()
        await asyncio.get_running_loop().sock_sendall(asking, encode_request(request))
        listening = await _listening(asking) if request.fence and request.fence.has_proxy else None
        undoing.push(listening or ExitStack())
        reports, orders = await asyncio.open_connection(sock=asking)
        undoing.callback(orders.close)
        pid = _pid(await reports.readline(), request.argv[0])
        undoing.pop_all()
    return GuardedProcess(pid, reports, orders, pipes, listening)


async def _listening(warden: socket.socket) -> socket.socket | None:
    """The socket on PROXY_PORT, which comes first; None where there is none, and the next report says why."""
    loop = asyncio.get_running_loop()
    has_come = asyncio.Event()
    loop.add_reader(warden, has_come.set)
    try:
        await has_come.wait()
    finally:
        loop.remove_reader(warden)
    _, descriptors, _, _ = socket.recv_fds(warden, len(LISTENING), 1)
    return socket.socket(fileno=descriptors[0]) if descriptors else None


def _asking(pipes: Pipes, warden: Callable[[Sequence[int]], socket.socket]) -> socket.socket:
    """The socket of the warden that starts it."""
    try:
        return warden(pipes.theirs)
    finally:
        pipes.close_theirs()


def _pid(line: bytes, program: str) -> int:
    """The id of the process; raises OSError where there is none."""
    report = decode_report(line) if line else Report()
    if report.refused is not None:
        raise OSError(report.refused, os.strerror(report.refused), report.path or program)
    if report.pid is None:
        raise OSError(f"{program} could not be started: the guardian was killed")
    return report.pid
