"""A warden: starts one process, holds all that descends from it, and ends it when it is told to or the worker is gone.

Standard library only: the guardian's processes load this.
"""

import errno
import os
import select
import signal
import socket
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from activities.guardian import kernel
from activities.guardian.fence import FencedStart, expendable, listening_socket, sealed, stand_out
from activities.guardian.messages import END, LISTENING, Fence, Report, StartRequest, encode_report, receive_request
from activities.guardian.process_table import ProcessTable
from activities.guardian.usage import Watch

GRACE_PERIOD = 2.0
"""Seconds between SIGTERM and SIGKILL."""
# Seconds between two looks at what is to end, the first and the longest.
PAUSE, LONGEST_PAUSE = 0.01, 0.5
# Seconds between two looks at what goes on; None: the kernel tells.
IDLE = None if kernel.IS_LINUX else 0.5
# Seconds, within which a sandbox is gone that nothing runs in; and within which it usually is: a look at all processes
# of the machine takes as long.
SETTLING, USUALLY_SETTLED = 0.2, 0.01
# What this process, or Python, has set otherwise than a program expects it.
_DEFAULTS = (
    signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD, signal.SIGPIPE, signal.SIGXFSZ,
)  # fmt: skip


Given = Sequence[tuple[int, int]]
"""The descriptors that a process gets, each with the number that it gets it under."""
Spawn = Callable[[StartRequest, str, Given], int]
"""Starts the process that is asked for, of the program at a path, in a session of its own. Raises OSError."""


def send(pid: int, number: int) -> None:
    """Send a signal to a process, where there is one that may be sent it."""
    try:
        os.kill(pid, number)
    except (ProcessLookupError, PermissionError):
        return


class Warden:
    """Hold one process, and what it starts, for as long as any of it lives.

    `worker`: the socket on which the request comes, and where reports go. Its end is an order to end. `spawn`: starts
    the process, where it is not to be in a sandbox.
    """

    def __init__(self, worker: socket.socket, spawn: Spawn) -> None:
        self._worker = worker
        self._spawn = spawn
        self._child = 0
        self._fenced: FencedStart | None = None
        self._watch: Watch | None = None
        self._breach: str | None = None
        self._ending: _Ending | None = None

    def run(self, streams: list[int]) -> None:
        """Start what is asked for, and return when nothing of it is left. `streams`: the process's own, three."""
        wakeup, wake = os.pipe()
        os.set_blocking(wake, False)
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
        kernel.adopt_orphans()
        request = receive_request(self._worker)
        if request is None or not self._start(request, streams):
            return
        for descriptor in streams:
            os.close(descriptor)
        self._hold(wakeup)

    def _start(self, request: StartRequest, streams: list[int]) -> bool:
        """Whether the process runs; else the worker is told why it does not."""
        given = [(descriptor, number) for number, descriptor in enumerate(streams)]
        try:
            if request.folder is not None:
                os.chdir(request.folder)
            if request.fence:
                self._child = self._start_fenced(request, request.fence, given)
            else:
                self._child = self._spawn(request, _path(request), given)
        except OSError as error:
            self._report(Report(refused=error.errno, path=str(error.filename or "")))
            return False
        self._report(Report(pid=self._child))
        return True

    def _start_fenced(self, request: StartRequest, fence: Fence, given: list[tuple[int, int]]) -> int:
        if fence.has_proxy:
            self._hand_over_proxy_port()
        self._fenced = FencedStart(fence)
        with expendable():
            pid = spawn(request, sealed(_path(request)), [*given, *self._fenced.given])
        stand_out()
        self._fenced.release()
        self._watch = Watch(fence.limits)
        return pid

    def _hand_over_proxy_port(self) -> None:
        """Tell the worker, in any case: it waits. Raises OSError."""
        listening = []
        try:
            listening.append(listening_socket().detach())
        finally:
            socket.send_fds(self._worker, [LISTENING], listening)
        os.close(*listening)

    def _hold(self, wakeup: int) -> None:
        events = select.poll()
        events.register(wakeup, select.POLLIN)
        events.register(self._worker, select.POLLIN)
        while self._reap():
            pause = self._step()
            ready = [descriptor for descriptor, _ in events.poll(pause and pause * 1000)]
            if wakeup in ready:
                os.read(wakeup, 4096)
            if self._worker.fileno() in ready:
                self._take_order(events)

    def _step(self) -> float | None:
        """Do what is due, and return the seconds until something is again; None: until something happens."""
        if self._watch and not self._ending:
            self._breach = self._watch.breach()
            if not self._breach:
                return self._watch.pause
            self._ending = _Ending(self._child, self._fenced, grace_period=0)
        return self._ending.step() if self._ending else IDLE

    def _take_order(self, events: select.poll) -> None:
        order = self._worker.recv(len(END))
        self._ending = self._ending or _Ending(self._child, self._fenced)
        if not order:
            events.unregister(self._worker)

    def _reap(self) -> bool:
        """Whether anything is left. The worker is told when the process itself has ended."""
        is_left, code = self._take_ended()
        if code is not None:
            is_left = is_left and not (self._fenced and self._empties())
            is_sandboxed = self._fenced is None or code <= 0 or self._fenced.has_begun()
            self._report(Report(code=code, is_left=is_left, is_sandboxed=is_sandboxed, breach=self._breach))
        return is_left

    def _take_ended(self) -> tuple[bool, int | None]:
        """Whether anything is left, and the exit code of the process itself, if it has ended since."""
        code = None
        try:
            while (ended := os.waitpid(-1, os.WNOHANG))[0]:
                if ended[0] == self._child:
                    code = os.waitstatus_to_exitcode(ended[1])
        except ChildProcessError:
            return not kernel.IS_LINUX and _is_alive(self._child), code
        return True, code

    def _empties(self) -> bool:
        """Whether bubblewrap leaves nothing: the first process in a sandbox ends a moment after the last of others."""
        table = ProcessTable(os.getpid())
        began = time.monotonic()
        while self._take_ended()[0]:
            waited = time.monotonic() - began
            if waited > SETTLING or (waited > USUALLY_SETTLED and len(table.descendants()) > 1):
                return False
            time.sleep(PAUSE / 10)
        return True

    def _report(self, report: Report) -> None:
        try:
            self._worker.sendall(encode_report(report))
        except OSError:
            return  # the worker is gone, which is heard of elsewhere


class _Ending:
    """Ends all that descends from this process: by SIGTERM, and after GRACE_PERIOD by SIGKILL.

    Where orphans go elsewhere (not on Linux), what has stayed in the group of the process is all that can be found.
    """

    def __init__(self, child: int, fenced: FencedStart | None, grace_period: float = GRACE_PERIOD) -> None:
        # Bubblewrap ends by itself, and then tells how its program ended.
        self._told = {child} if fenced else set[int]()
        self._first = fenced.first if fenced else None
        self._lost = set() if kernel.IS_LINUX else {child}
        self._table = ProcessTable(os.getpid())
        self._deadline = time.monotonic() + grace_period
        self._pause = PAUSE

    def step(self) -> float:
        """Send what is due, and return the seconds until the next look."""
        is_over = time.monotonic() >= self._deadline
        if is_over and self._first is not None:
            send(self._first, signal.SIGKILL)  # the kernel ends all others with it
            self._first = None
        family = self._table.descendants()
        if not is_over:
            for pid in {*family, *(-group for group in self._lost)} - self._told:
                send(pid, signal.SIGTERM)
                send(pid, signal.SIGCONT)
                self._told.add(pid)
        else:
            for group in {*self._lost, *(kinship.group for kinship in family.values())} - {os.getpgrp()}:
                send(-group, signal.SIGKILL)  # all at once: none of them can start another in between
            for pid in family:
                send(pid, signal.SIGKILL)
        self._pause = min(self._pause * 1.5, LONGEST_PAUSE)
        return self._pause


def _is_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def spawn(request: StartRequest, path: str, given: Given) -> int:
    """Start the program at `path` in a session of its own, and return its id. Raises OSError."""
    return os.posix_spawn(
        path, request.argv, request.env, setsid=True, setsigmask=(), setsigdef=_DEFAULTS,
        file_actions=[(os.POSIX_SPAWN_DUP2, descriptor, number) for descriptor, number in given],
    )  # fmt: skip


def _path(request: StartRequest) -> str:
    """The file of the program: its name, where that is a path, else the first in PATH that can be executed."""
    program = request.argv[0]
    if "/" not in program:
        for folder in os.get_exec_path(request.env):
            path = Path(folder, program)
            if os.access(path, os.X_OK) and not path.is_dir():
                return str(path)
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return program
