"""The process of an MCP server that is reached over HTTP (specification section 1: `streamable` with a `command`)."""

import asyncio
import ctypes
import fcntl
import os
import signal
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from activities.process.process_group import end_group
from activities.toolboxes import python_command
from grammar.documents.models import ServerParams

PASSED_THROUGH = (
    "HOME", "PATH", "LOGNAME", "SHELL", "TERM", "USER",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
)  # fmt: skip
# Seconds.
PORT_TIMEOUT = 30.0
PORT_FREE_TIMEOUT = 10.0
# Bytes.
TAIL = 1_000
MAX_LOG = 1024 * 1024


class ServerLog:
    """Hold what a server process writes that is no MCP, in a temporary file; of much, the newest."""

    def __init__(self) -> None:
        self.file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  (it lives as long as the server)
        # Whatever is written goes to the end, so that the file can be cut while the process goes on.
        fcntl.fcntl(self.file, fcntl.F_SETFL, fcntl.fcntl(self.file, fcntl.F_GETFL) | os.O_APPEND)

    def tail(self) -> str:
        """Return the last TAIL bytes, as text."""
        self.file.seek(max(0, self._size() - TAIL))
        return self.file.read().decode(errors="replace").strip()

    def trim(self) -> None:
        """Drop all but the tail of a log larger than MAX_LOG."""
        if self._size() > MAX_LOG:
            tail = self.tail()
            self.file.truncate(0)
            self.file.write(tail.encode() + b"\n")

    def close(self) -> None:
        """Close the file, which is gone then."""
        self.file.close()

    def _size(self) -> int:
        return self.file.seek(0, os.SEEK_END)


class ServerProcess:
    """Run the process of a server that is reached over HTTP, in a process group of its own."""

    def __init__(self, params: ServerParams, log: ServerLog, folder: str | None = None) -> None:
        self._params = params
        self._folder = folder
        self._log = log
        self._process: asyncio.subprocess.Process | None = None

    @property
    def running(self) -> bool:
        """Return whether the process was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self, seconds: float = PORT_TIMEOUT) -> None:
        """Start the process, and return when its port accepts connections.

        Raises OSError where it does not within `seconds`, or the port is taken; ValueError for a url without a host.
        """
        address = _address(self._params.url or "")
        await _wait_until_free(*address, seconds=PORT_FREE_TIMEOUT)
        self._process = await asyncio.create_subprocess_exec(
            self._params.command or "",
            *python_command.arguments(self._params.command or "", self._params.args, self._params.env),
            stdin=asyncio.subprocess.DEVNULL, stdout=self._log.file, stderr=self._log.file,
            env=environment(os.environ, self._params.env), cwd=self._folder,
            start_new_session=True, preexec_fn=_die_with_parent(),
        )  # fmt: skip
        try:
            async with asyncio.timeout(seconds):
                await self._wait_until_accepting(*address)
        except TimeoutError:
            raise OSError(f"port {address[1]} accepts no connection within {seconds:g} s") from None

    async def _wait_until_accepting(self, host: str, port: int) -> None:
        while not await _accepts(host, port):
            if self._process and self._process.returncode is not None:
                raise OSError(f"it ended with exit code {self._process.returncode}")
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End the process group, if the process was started."""
        if self._process:
            await end_group(self._process)


def environment(process: Mapping[str, str], toolbox: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of a server process: PASSED_THROUGH of the worker's, and the toolbox's `env`.

    Commands of this installation are found last on PATH.
    """
    passed = {name: process[name] for name in PASSED_THROUGH if name in process}
    path = os.pathsep.join(filter(None, [passed.get("PATH"), sysconfig.get_path("scripts")]))
    return {**passed, "PATH": path, **toolbox}


def _address(url: str) -> tuple[str, int]:
    parts = urlsplit(url)
    if not parts.hostname:
        raise ValueError("its url names no host")
    return parts.hostname, parts.port or (443 if parts.scheme == "https" else 80)


async def _wait_until_free(host: str, port: int, seconds: float) -> None:
    """Return when nobody answers there: a server that was killed takes a moment to let go. Raises OSError."""
    deadline = asyncio.get_running_loop().time() + seconds
    while await _accepts(host, port):
        if asyncio.get_running_loop().time() > deadline:
            hint = "for several items at once, give the toolbox `lifetime: worker`"
            raise OSError(f"port {port} is taken: another process answers there ({hint})")
        await asyncio.sleep(0.05)


async def _accepts(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(5):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:  # TimeoutError is one
        return False
    writer.close()
    return True


def _die_with_parent() -> Callable[[], None] | None:
    """Return what a child calls so that it ends with this process, by SIGTERM, which launchers pass on. Linux only."""
    if sys.platform != "linux":
        return None
    prctl = ctypes.CDLL(None).prctl
    parent = os.getpid()

    def set_death_signal() -> None:
        prctl(1, signal.SIGTERM)  # PR_SET_PDEATHSIG
        if os.getppid() != parent:
            os._exit(1)

    return set_death_signal
