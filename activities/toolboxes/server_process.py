"""The process of an MCP server that the worker starts (specification section 1)."""

import asyncio
import os
import sysconfig
from collections.abc import Mapping
from urllib.parse import urlsplit

from activities.guardian.guarded_process import GuardedProcess
from activities.guardian.pipes import NOTHING, Streams
from activities.process.secrets import mask_all
from activities.sandbox.sandboxes import Program, Sandboxes, check_begun
from activities.toolboxes import python_command
from activities.toolboxes.server_spec import ServerSpec
from grammar.documents.sandbox import IN_SANDBOX, UNREACHABLE
from grammar.errors import SandboxRefused

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


def begin_template(spec: ServerSpec, sandboxes: Sandboxes) -> None:
    """Have the template of a server load that will be started, if it is to have one."""
    if spec.params.kind == "stdio" and not spec.policy:
        sandboxes.begin_template(_program(spec))


async def start_stdio(spec: ServerSpec, log: ServerLog, sandboxes: Sandboxes) -> GuardedProcess:
    """Start a server that is reached over its stdin and stdout. Raises SandboxRefused, OSError and ValueError."""
    return await sandboxes.start(_program(spec), spec.policy, Streams(stderr=log.file.fileno()))


def _program(spec: ServerSpec) -> Program:
    params = spec.params
    command = params.command or ""
    argv = [command, *python_command.arguments(command, params.args, params.env)]
    env = {IN_SANDBOX: "1", **params.env} if spec.policy else params.env
    is_preloaded = params.preload and params.kind == "stdio" and not spec.policy
    template = python_command.template(command, params.args, params.env) if is_preloaded else []
    inherited, commands = inherited_environment(os.environ), sysconfig.get_path("scripts")
    return Program(argv, env, inherited, spec.folder, commands, template, spec.is_repeated)


class ServerProcess:
    """Run the process of a server that is reached over HTTP."""

    def __init__(self, spec: ServerSpec, log: ServerLog, sandboxes: Sandboxes) -> None:
        self._spec = spec
        self._log = log
        self._sandboxes = sandboxes
        self._process: GuardedProcess | None = None

    @property
    def running(self) -> bool:
        """Return whether the process was started and has not ended."""
        return self._process is not None and self._process.returncode is None

    async def start(self, seconds: float = PORT_TIMEOUT) -> None:
        """Start the process, and return when its port accepts connections.

        Raises OSError where it does not within `seconds`, or the port is taken; ValueError for a url without a host;
        SandboxRefused.
        """
        if self._spec.policy and self._spec.policy.network != "all":
            raise SandboxRefused(f"toolbox {self._spec.name}: {UNREACHABLE}")
        address = _address(self._spec.params.url or "")
        await _wait_until_free(*address, seconds=PORT_FREE_TIMEOUT)
        log = self._log.file.fileno()
        self._process = await self._sandboxes.start(_program(self._spec), self._spec.policy, Streams(NOTHING, log, log))
        try:
            async with asyncio.timeout(seconds):
                await self._wait_until_accepting(*address)
        except TimeoutError:
            raise OSError(f"port {address[1]} accepts no connection within {seconds:g} s") from None

    async def _wait_until_accepting(self, host: str, port: int) -> None:
        while not await _accepts(host, port):
            if self._process and self._process.returncode is not None:
                check_begun(self._process, self._log.tail())
                raise OSError(f"it ended with exit code {self._process.returncode}")
            await asyncio.sleep(0.05)

    async def stop(self) -> None:
        """End the process and all that it started, if there is one."""
        if self._process:
            await self._process.end()


def inherited_environment(process: Mapping[str, str]) -> dict[str, str]:
    """Return what a server without a sandbox gets of the worker's environment: PASSED_THROUGH.

    Commands of this installation are found last on PATH.
    """
    passed = {name: process[name] for name in PASSED_THROUGH if name in process}
    path = os.pathsep.join(filter(None, [passed.get("PATH"), sysconfig.get_path("scripts")]))
    return {**passed, "PATH": path}


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
