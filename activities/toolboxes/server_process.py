"""The process of an MCP server that is reached over HTTP (specification section 1: `streamable` with a `command`)."""

import asyncio
import ctypes
import os
import signal
import sys
import sysconfig
from collections.abc import Callable, Mapping
from urllib.parse import urlsplit

from activities.process.process_group import end_group
from activities.process.secrets import mask_all
from activities.toolboxes import python_command
from grammar.documents.models import ServerParams

PASSED_THROUGH = (
    "HOME", "PATH", "LOGNAME", "SHELL", "TERM", "USER",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
)  # fmt: skip
# Seconds.
PORT_TIMEOUT = 30.0
PORT_FREE_TIMEOUT = 10.0
# Of what a server writes, characters that are told, and bytes that are kept.
TAIL = 1_000
KEPT = 4_000
# Bytes.
CHUNK = 65_536
MOST_OF_PIPE = 16 * CHUNK


class ServerLog:
    """Keep the end of what a server process writes that is no MCP. To be made in a running event loop.

    `file`: what the process writes to. It comes through a pipe: in a file, it would grow as long as the process lives.
    """

    def __init__(self) -> None:
        self._pipe, to = os.pipe()
        os.set_blocking(self._pipe, False)
        self.file = os.fdopen(to, "wb", buffering=0)
        self._kept = b""
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._pipe, self._take)

    def tail(self) -> str:
        """Return the end, of TAIL characters at most, masked: what is cut is not recognised."""
        for _ in range(MOST_OF_PIPE // CHUNK):
            if not self._take():
                break
        return mask_all(self._kept.decode(errors="replace"))[-TAIL:].strip()

    def close(self) -> None:
        """Close the pipe: what still writes to it is told so."""
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        self.file.close()

    def _take(self) -> bool:
        """Take in what has been written; return whether there was anything."""
        try:
            written = os.read(self._pipe, CHUNK)
        except BlockingIOError:
            return False
        if not written:  # cannot be, as long as our own end is open
            self._loop.remove_reader(self._pipe)
        self._kept = (self._kept + written)[-KEPT:]
        return bool(written)


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
