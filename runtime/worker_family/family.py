"""The parent of a worker's processes: it forks them, replaces one that dies, and ends them in order.

It does no work of any run, and it has no thread, so that it can fork at any time. Members share the memory of what it
has loaded. Where it is killed, they are killed with it.
"""

import ctypes
import logging
import os
import selectors
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import NoReturn

from grammar.exit_codes import ExitCode
from runtime import this_process
from runtime.worker_family.orders import Line, decode, encode

log = logging.getLogger("worker")

# Seconds before one that has died again is replaced: the second time, and at most. One that lived longer than that
# counts as the first.
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
# These will be the same in the next process.
_LASTING = (ExitCode.BAD_INPUT, ExitCode.BUG)
_SET_PARENT_DEATH_SIGNAL = 1  # of prctl(2)


@dataclass(frozen=True)
class Role:
    """What one member is for. `run`: does it, in the fork, with the socket to the parent, and ends the process.

    `has_stdin`: the parent's stdin is its own, too.
    """

    name: str
    run: Callable[[socket.socket], NoReturn] = field(repr=False)
    has_stdin: bool = False


@dataclass
class _Member:
    role: Role
    pid: int
    link: socket.socket
    began: float
    is_ready: bool = False
    heard: bytes = b""


class Family:
    """Run a member for each role until a signal of `ending` comes, or the first of them has done its work.

    `first`: says which task queues are served, and what is printed once all are ready. `load`: loads what the others
    share, once the first is there. `ignored`: signals that no process hears: a terminal sends them to all of them.
    """

    def __init__(
        self,
        first: Role,
        others: Sequence[Role],
        load: Callable[[], object],
        ending: Sequence[signal.Signals],
        ignored: Sequence[signal.Signals] = (),
    ) -> None:
        self._first, self._others, self._load = first, others, load
        self._ending, self._ignored = ending, ignored
        self._members: dict[int, _Member] = {}
        self._queues: dict[str, None] = {}
        self._deaths: dict[Role, int] = {}
        self._due: dict[Role, float] = {}
        self._text = ""
        self._is_told = False
        self._is_ending = False
        self._code: int = ExitCode.DONE
        self._signals: list[int] = []
        self._events = selectors.DefaultSelector()

    def run(self) -> int:
        """Return the exit code: that of the first member, or of one that could not begin."""
        with self._hearing_signals():
            self._fork(self._first)
            self._load()
            for role in self._others:
                self._fork(role)
            while self._members or not self._is_ending:
                self._step()
        return self._code

    @contextmanager
    def _hearing_signals(self) -> Iterator[None]:
        wakeup, wake = os.pipe()
        for end in (wakeup, wake):
            os.set_blocking(end, False)
        self._events.register(wakeup, selectors.EVENT_READ)
        for number in self._ignored:
            signal.signal(number, signal.SIG_IGN)
        for number in (*self._ending, signal.SIGCHLD):
            if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:  # `nohup`
                signal.signal(number, lambda number, _: self._signals.append(number))
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        try:
            yield
        finally:
            signal.set_wakeup_fd(-1)
            os.close(wakeup)
            os.close(wake)

    def _step(self) -> None:
        """Wait for something to happen, and do what is due."""
        for key, _ in self._events.select(self._pause()):
            if key.data is None:
                os.read(key.fd, 4096)
            else:
                self._hear(key.data)
        while self._signals:
            if (number := self._signals.pop(0)) != signal.SIGCHLD:
                self._end(number)
        self._reap()
        for role in [role for role, when in self._due.items() if when <= time.monotonic()]:
            del self._due[role]
            self._fork(role)

    def _pause(self) -> float | None:
        return max(0.0, min(self._due.values()) - time.monotonic()) if self._due else None

    def _hear(self, member: _Member) -> None:
        """Take what a member says."""
        try:
            piece = member.link.recv(65_536)
        except ConnectionError:
            piece = b""
        if not piece:
            self._events.unregister(member.link)
        *lines, member.heard = (member.heard + piece).split(b"\n")
        for line in map(decode, lines):
            self._take(member, line)

    def _hear_rest(self, member: _Member) -> None:
        """Take what a member has said before it ended."""
        while member.link in self._events.get_map():
            self._hear(member)

    def _take(self, member: _Member, line: Line) -> None:
        if line.word == "ready":
            member.is_ready = True
            self._text = self._text or line.text
            self._tell_ready()
            return
        if line.word == "serve":
            self._queues[line.text] = None
        else:
            self._queues.pop(line.text, None)
        for other in self._members.values():
            if other.role is not self._first:
                _send(other.link, line)

    def _tell_ready(self) -> None:
        """Print what there is to tell, once all do their work for the first time."""
        are_ready = [member.is_ready for member in self._members.values()]
        if self._text and not self._is_told and all(are_ready) and len(are_ready) > len(self._others):
            self._is_told = True
            print(self._text, file=sys.stderr, flush=True)

    def _end(self, number: int) -> None:
        """Tell all to end; if they are told already, end them at once."""
        if self._is_ending:
            for pid in self._members:
                os.kill(pid, signal.SIGKILL)
            os._exit(ExitCode.INTERRUPTED)
        if self._is_told:
            print("stopping: running activities get their time", file=sys.stderr, flush=True)
        self._stop()

    def _stop(self) -> None:
        self._is_ending = True
        self._due.clear()
        for pid in self._members:
            os.kill(pid, signal.SIGTERM)

    def _reap(self) -> None:
        """Take notice of members that have ended."""
        for member in list(self._members.values()):
            pid, status = os.waitpid(member.pid, os.WNOHANG)
            if pid:
                self._hear_rest(member)
                self._forget(member)
                self._decide(member, os.waitstatus_to_exitcode(status))

    def _forget(self, member: _Member) -> None:
        del self._members[member.pid]
        if member.link in self._events.get_map():
            self._events.unregister(member.link)
        member.link.close()

    def _decide(self, member: _Member, code: int) -> None:
        """Replace a member that has ended, or end with it."""
        if self._is_ending:
            return
        is_done = member.role is self._first and code == ExitCode.DONE
        if is_done or (code in _LASTING and not member.is_ready):
            self._code = code
            self._stop()
            return
        lived = time.monotonic() - member.began
        deaths = self._deaths[member.role] = 1 if lived > LONGEST_PAUSE else self._deaths.get(member.role, 0) + 1
        pause = pause_before(deaths)
        log.warning(
            "the process for %s was lost (%s); another one begins%s",
            member.role.name, _how(code), f" in {pause:g} s" if pause else "",
        )  # fmt: skip
        self._due[member.role] = time.monotonic() + pause

    def _fork(self, role: Role) -> None:
        ours, theirs = socket.socketpair()
        parent = os.getpid()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, self._ending)  # what comes before the fork can end by it is kept
        if not (pid := os.fork()):
            ours.close()
            self._become(role, theirs, parent)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, self._ending)
        theirs.close()
        member = self._members[pid] = _Member(role, pid, ours, time.monotonic())
        self._events.register(ours, selectors.EVENT_READ, member)
        if role is not self._first:
            for task_queue in self._queues:
                _send(ours, Line("serve", task_queue))

    def _become(self, role: Role, link: socket.socket, parent: int) -> NoReturn:
        """Be a member, from the fork on."""
        try:
            _end_with(parent)
            this_process.belong_to(parent)
            signal.set_wakeup_fd(-1)
            for number in {*self._ending, signal.SIGCHLD, signal.SIGINT, signal.SIGHUP}:
                signal.signal(number, signal.SIG_DFL)
            for number in (signal.SIGINT, signal.SIGHUP, *self._ignored):  # the parent hears them, and says so
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, self._ending)
            for member in self._members.values():
                member.link.close()
            self._events.close()
            if not role.has_stdin:
                os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            role.run(link)
        finally:
            os._exit(ExitCode.BUG)


def pause_before(deaths: int) -> float:
    """Return the seconds until a member is replaced that has died so often, shortly after it began."""
    return 0.0 if deaths == 1 else min(FIRST_PAUSE * 2.0 ** min(deaths - 2, 10), LONGEST_PAUSE)


def _send(link: socket.socket, line: Line) -> None:
    try:
        link.sendall(encode(line))
    except OSError:
        return  # it has ended, and its successor is told


def _how(code: int) -> str:
    return f"signal {-code}" if code < 0 else f"exit code {code}"


def _end_with(parent: int) -> None:
    """Have this process be killed when its parent ends. On Linux; elsewhere it hears that from the socket."""
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(_SET_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(ExitCode.BUG)
