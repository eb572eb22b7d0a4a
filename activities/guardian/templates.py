"""The templates of a worker: one for each command line that is started again and again."""

import asyncio
import logging
import socket
import sys
from collections.abc import Sequence
from contextlib import ExitStack, suppress

from activities.guardian import guarded_process
from activities.guardian.guarded_process import GuardedProcess
from activities.guardian.messages import StartRequest, encode_request
from activities.guardian.pipes import NOTHING, Streams

log = logging.getLogger(__name__)

# Seconds: that a start waits for a template, and that a template may take to import; that it is kept unused.
PATIENCE, LONGEST_LOAD = 5.0, 60.0
IDLE = 300.0
# Templates at once: one holds what a server's libraries take. The one that was used longest ago is let go.
MOST = 8


class ServerTemplate:
    """Hold one template process, from its start on."""

    def __init__(self, process: GuardedProcess, asking: socket.socket) -> None:
        self._process = process
        self._asking = asking

    async def why_unfit(self) -> str:
        """Return why it cannot be forked, once it has imported all; empty where it can."""
        line = b""
        with suppress(TimeoutError, ConnectionError):
            async with asyncio.timeout(LONGEST_LOAD):
                while not line.endswith(b"\n"):
                    if not (piece := await asyncio.get_running_loop().sock_recv(self._asking, 4096)):
                        return "it ended while it imported"
                    line += piece
        self._asking.setblocking(True)
        return line.decode(errors="replace").strip() if line else f"it imports for more than {LONGEST_LOAD:g} s"

    def warden(self, streams: Sequence[int]) -> socket.socket:
        """Return the socket of a new warden, whose process gets these three streams. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs, ExitStack() as failing:
            failing.callback(ours.close)
            socket.send_fds(self._asking, [b"!"], [theirs.fileno(), *streams])
            failing.pop_all()
        return ours

    def let_go(self) -> None:
        """Have it end as soon as nothing of it runs."""
        self._asking.close()

    async def end(self) -> None:
        """End it, and all that it has started."""
        self._asking.close()
        await self._process.end()


_Loading = asyncio.Task[ServerTemplate | None]


class _Command:
    """One command line: how often it was started, and its template."""

    def __init__(self) -> None:
        self.loading: _Loading | None = None
        self.is_lost = False
        self.idle: asyncio.TimerHandle | None = None

    @property
    def template(self) -> ServerTemplate | None:
        """Return its template, where that is ready."""
        return self.loading.result() if self.loading and self.loading.done() else None


class ServerTemplates:
    """Start processes as forks of templates, where that can be. One per worker.

    The first start of a command line is as any, unless others are known to follow, or a template was begun before; with
    the second one, a template begins to load. A start waits for it PATIENCE seconds at most, and is as any where there
    is none: because what is imported starts threads or opens files, is slow, or fails.
    """

    def __init__(self) -> None:
        self._commands: dict[bytes, _Command] = {}

    def begin(self, request: StartRequest, arguments: Sequence[str]) -> None:
        """Have a template load for a start that will be asked for. Returns at once; `arguments` as in `start`."""
        if arguments and sys.platform == "linux":
            key = encode_request(request)
            self._begin(key, request, arguments)
            self._keep(key, self._commands[key])

    async def start(
        self, request: StartRequest, arguments: Sequence[str], streams: Streams, is_repeated: bool = False
    ) -> GuardedProcess:
        """Start what is asked for. Raises OSError, and ValueError for a NUL in the request.

        `arguments`: those with which the request's program becomes a template; empty: it has none. `is_repeated`: other
        starts are known to follow.
        """
        if not arguments or sys.platform != "linux":
            return await guarded_process.start(request, streams)
        if template := await self._template(request, arguments, is_repeated):
            try:
                return await guarded_process.start(request, streams, template.warden)
            except OSError as error:
                log.debug("%s is started plainly: its template was lost: %s", _shown(arguments), error)
                if command := self._commands.get(encode_request(request)):
                    command.is_lost = True
                template.let_go()  # what it has started goes on
        return await guarded_process.start(request, streams)

    async def close(self) -> None:
        """End all templates, and what they have started."""
        commands, self._commands = self._commands, {}
        for command in commands.values():
            if command.idle:
                command.idle.cancel()
            if command.loading:
                command.loading.cancel()
                with suppress(asyncio.CancelledError):
                    if template := await command.loading:
                        await template.end()

    async def _template(
        self, request: StartRequest, arguments: Sequence[str], is_repeated: bool
    ) -> ServerTemplate | None:
        """Return the template of the request's command line; None where there is none, or not yet."""
        key = encode_request(request)
        is_first = key not in self._commands
        command = self._commands.setdefault(key, _Command())
        if command.is_lost or (is_first and not is_repeated):
            return None
        await asyncio.wait({self._begin(key, request, arguments)}, timeout=PATIENCE)
        self._keep(key, command)
        return command.template

    def _begin(self, key: bytes, request: StartRequest, arguments: Sequence[str]) -> _Loading:
        """Return the loading of the template, which goes on, or begins now."""
        command = self._commands.setdefault(key, _Command())
        if command.loading is None:
            command.loading = asyncio.create_task(_load(request, arguments))
        self._commands[key] = self._commands.pop(key)  # the last one used is the last
        self._let_go_of_oldest()
        return command.loading

    def _let_go_of_oldest(self) -> None:
        templates = [key for key, command in self._commands.items() if command.loading]
        for key in templates[:-MOST]:
            self._let_go(key)

    def _keep(self, key: bytes, command: _Command) -> None:
        """Let it go when it was not used for IDLE seconds from now on."""
        if command.idle:
            command.idle.cancel()
        command.idle = asyncio.get_running_loop().call_later(IDLE, self._let_go, key)

    def _let_go(self, key: bytes) -> None:
        command = self._commands.get(key)
        if command is None:
            return
        if command.loading and not command.loading.done():
            self._keep(key, command)
            return
        del self._commands[key]
        if command.idle:
            command.idle.cancel()
        if command.template:
            command.template.let_go()


async def _load(request: StartRequest, arguments: Sequence[str]) -> ServerTemplate | None:
    """Return a template that has imported all; None where it cannot be forked, or is none."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    argv = [request.argv[0], *arguments]
    try:
        with theirs:
            streams = Streams(theirs.fileno(), NOTHING, NOTHING)
            process = await guarded_process.start(request._replace(argv=argv), streams)
    except (OSError, ValueError) as error:
        ours.close()
        log.debug("%s is started plainly: no template: %s", _shown(arguments), error)
        return None
    template = ServerTemplate(process, ours)
    try:
        why = await template.why_unfit()
    except BaseException:
        await template.end()
        raise
    if why:
        log.debug("%s is started plainly: %s", _shown(arguments), why)
        await template.end()
        return None
    return template


def _shown(arguments: Sequence[str]) -> str:
    """Return the module or the script: what else stands there may be a secret."""
    place = next(place for place, word in enumerate(arguments) if word.endswith("template.py")) + 2
    return arguments[place + 1] if arguments[place] == "-m" else arguments[place]
