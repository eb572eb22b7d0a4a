"""The supervisor: a small process that runs the embedded Temporal server while anybody needs it.

    python -P launch.py runtime.local_server.supervisor STATE_DIR TEMPORAL_BINARY PORT UI_PORT CODEC_PORT

It is started with `keeper.lock` held on an inherited descriptor, so there is one supervisor per state directory.
It restarts a server that dies, and ends it in order when the last lease is gone. Who wants the Web UI shares a lock
too, and says so by SIGUSR1: then the server is started anew, with it. Where a CODEC_PORT other than 0 is given, a codec
server (runtime/codec_server) runs beside it, with the keys that this process has in its environment.
Standard library only: it starts at once and stays small.
"""

import ctypes
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Event, Thread

from runtime.local_server.locks import Lock, acquire, attempt, is_held
from runtime.local_server.server_process import start_time
from runtime.local_server.server_record import ServerFiles, ServerRecord
from runtime.local_server.ui_process import UiProcess
from temporal_taskflow import launch

PORT, UI_PORT, CODEC_PORT = 7233, 8233, 8234
# A second where nothing else runs; of a machine that is busy, a start takes whatever is left.
START_SECONDS = 120.0
STOP_SECONDS = 10.0
LINGER_SECONDS = 1.0
QUICK_SECONDS = 10.0
QUICK_DEATHS = 5
LOG_BYTES = 10 * 1024 * 1024

MARK = "TaskflowEmbedded"
"""A search attribute that tells an embedded server, of whatever user or state directory, from any other."""

PRAGMAS = ("journal_mode=WAL", "synchronous=FULL")
"""As safe as the dev server's own settings, also when the power fails, and half as fast again."""

SETTINGS = {
    # Events that come while a workflow task is open: beyond 100, it would be closed by force, and all replayed.
    "history.maximumBufferedEventsBatch": 2000,
    # Without it, fairness keys do nothing. `matching.autoEnableV2` would do, too, and holds up the first task of each
    # queue for 10 s and more.
    "matching.enableFairness": True,
    # Tasks are dealt out fairly within a partition of their queue. More partitions than one are for clusters; there are
    # as many as ever to read from, since an older server may have left tasks in them.
    "matching.numTaskqueueWritePartitions": 1,
}
"""Temporal's dynamic configuration, where the dev server's own does not do."""

READY, DIED, UNUSED, UI_WANTED = "ready", "died", "unused", "ui wanted"


def free_port(preferred: int) -> int:
    """Return `preferred` if nothing listens there on 127.0.0.1, else any free port."""
    with socket.socket() as caller:
        caller.settimeout(1)
        taken = caller.connect_ex(("127.0.0.1", preferred)) == 0
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", 0 if taken else preferred))
        except OSError:
            listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def die_with_parent() -> Callable[[], None] | None:
    """Return what a child calls before it becomes another program, so that it ends with this process.

    None where there is no such call (not on Linux): `claim_database` cleans up there.
    """
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    supervisor = os.getpid()

    def ask() -> None:
        prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG
        if os.getppid() != supervisor:
            os._exit(1)

    return ask


def claim_database(path: Path) -> Lock:
    """Take the exclusive right to the database. A server that outlived its supervisor still has it, and is killed."""
    if lock := attempt(path):
        return lock
    with suppress(ValueError, ProcessLookupError):
        os.kill(int(path.read_text()), signal.SIGKILL)
    return acquire(path)


def open_log(path: Path) -> int:
    """Return a descriptor to append to; a log of more than LOG_BYTES is put aside first."""
    if path.exists() and path.stat().st_size > LOG_BYTES:
        path.replace(path.with_suffix(".log.old"))
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)


class Supervisor:
    """Run one server at a time on one database until nobody holds a lease.

    `port`, `ui_port`, `codec_port`: used where they are free; otherwise any free port. `codec_port` 0: no codec server.
    """

    def __init__(self, files: ServerFiles, binary: str, port: int, ui_port: int, codec_port: int) -> None:
        self._files, self._binary = files, binary
        self._port, self._codec_port, self._ui = port, codec_port, UiProcess(ui_port)
        self._codec_server: subprocess.Popen[bytes] | None = None
        self._log = open_log(files.log)
        self._events: SimpleQueue[str] = SimpleQueue()
        self._unused = Event()
        self._before_exec = die_with_parent()
        self._owner = claim_database(files.owner)

    def run(self) -> int:
        """Run until the last lease is gone. Returns the exit code: 0 then, 1 when the server keeps dying."""
        signal.signal(signal.SIGTERM, lambda *_: self._end())
        signal.signal(signal.SIGUSR1, lambda *_: self._events.put(UI_WANTED))
        Thread(target=self._await_unused, daemon=True).start()
        deaths = 0
        while deaths < QUICK_DEATHS:
            started = time.monotonic()
            self._serve()
            self._files.record.unlink(missing_ok=True)
            if self._unused.is_set():
                return 0
            deaths = deaths + 1 if time.monotonic() - started < QUICK_SECONDS else 1
        return 1

    def _await_unused(self) -> None:
        """End the server when the last lease is gone, and a moment later: the next of many runs can still join."""
        try:
            self._lease = self._last_lease()  # to the end: newcomers wait until this process is gone
        except OSError:
            os.write(self._log, b"The state directory was removed: nobody can find this server any more.\n")
        self._end()

    def _last_lease(self) -> Lock:
        lease = None
        while lease is None:
            acquire(self._files.lease).release()
            time.sleep(LINGER_SECONDS)
            lease = attempt(self._files.lease)
        return lease

    def _end(self) -> None:
        self._unused.set()
        self._events.put(UNUSED)

    def _serve(self) -> None:
        """Start the server, publish its record, block until it dies or is unused, and stop it."""
        server = self._start()
        reader = Thread(target=self._read, args=(server,), daemon=True)
        reader.start()
        try:
            if self._events.get(timeout=START_SECONDS) == READY:
                self._start_codec_server()
                self._record(server.pid).write(self._files.record)
                if self._events.get() == UI_WANTED:
                    server.kill()  # in order, it would wait for those who poll it; the database takes no harm
        except Empty:
            os.write(self._log, f"The server did not start in {START_SECONDS:.0f} s.\n".encode())
        self._ui.stop()
        for process in filter(None, (server, self._codec_server)):
            self._stop(process)
        reader.join()
        while not self._events.empty():
            self._events.get()

    def _record(self, pid: int) -> ServerRecord:
        ui = (self._ui.port, self._ui.token)
        return ServerRecord(pid, os.getpid(), self._port, *ui, start_time(pid), self._codec_port)

    def _start(self) -> subprocess.Popen[bytes]:
        self._port = free_port(self._port)
        self._codec_port = self._codec_port and free_port(self._codec_port)
        if is_held(self._files.ui, shared=True):
            self._ui.start(self._log)
        server = subprocess.Popen(
            self._command(),
            env=launch.bare_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            pass_fds=[self._owner.fileno()],
            preexec_fn=self._before_exec,  # one system call, and our threads hold no locks
        )
        os.truncate(self._owner.fileno(), 0)
        os.write(self._owner.fileno(), str(server.pid).encode())
        return server

    def _start_codec_server(self) -> None:
        if self._codec_port:
            origin = f"http://127.0.0.1:{self._ui.port}"
            self._codec_server = subprocess.Popen(
                launch.command("runtime.codec_server.serving", str(self._codec_port), origin),
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                preexec_fn=self._before_exec,
            )

    def _command(self) -> list[str]:
        options = {
            "--db-filename": str(self._files.database),
            "--ip": "127.0.0.1",
            "--port": str(self._port),
            "--log-level": "error",
            "--color": "never",
            "--search-attribute": f"{MARK}=Bool",
        }
        if self._codec_port:
            options["--ui-codec-endpoint"] = f"http://127.0.0.1:{self._codec_port}"
        pragmas = (part for pragma in PRAGMAS for part in ("--sqlite-pragma", pragma))
        # Its HTTP API answers no host but this one, which nobody knows: web pages can reach it.
        settings = SETTINGS | {"frontend.httpAllowedHosts": [secrets.token_hex(16)]}
        configuration = (("--dynamic-config-value", f"{name}={json.dumps(value)}") for name, value in settings.items())
        return [
            self._binary,
            "server",
            "start-dev",
            *(part for option in options.items() for part in option),
            *(part for setting in configuration for part in setting),
            *pragmas,
            *(("--ui-port", str(self._ui.inner_port)) if self._ui.inner_port else ("--headless",)),
        ]

    def _read(self, server: subprocess.Popen[bytes]) -> None:
        """Copy the server's output to the log. It names its address once it serves, and not before."""
        assert server.stdout is not None
        with server.stdout as output:
            ready = False
            for line in output:
                os.write(self._log, line)
                if not ready and b"Server:" in line:
                    ready = True
                    self._events.put(READY)
        self._events.put(DIED)

    def _stop(self, process: subprocess.Popen[bytes]) -> None:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def main() -> None:
    """Run the supervisor's process. All its files are for this user alone."""
    os.umask(0o077)
    state, binary, *ports = sys.argv[1:]
    port, ui_port, codec_port = map(int, ports)
    sys.exit(Supervisor(ServerFiles(Path(state)), binary, port, ui_port, codec_port).run())
