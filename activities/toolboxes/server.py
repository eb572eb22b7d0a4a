"""One MCP server: started, called, stopped (specification sections 1 and 7)."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any

from mcp.types import CallToolResult, Tool

from activities.process.activity_errors import one_line
from activities.toolboxes.mcp_connection import CallTimedOut, Connection, ConnectionLost, error_text
from activities.toolboxes.server_process import ServerLog, ServerProcess
from activities.toolboxes.server_spec import START_TIMEOUT, ServerSpec
from grammar.errors import ToolboxFailed


class ToolboxServer:
    """Hold a server and its connection. `broken`: it failed, or may be busy for ever: no other run is to get it.

    `tools`: those that it has, once it is started. `start_timeout`: seconds.
    """

    def __init__(self, spec: ServerSpec, start_timeout: float = START_TIMEOUT) -> None:
        self.tools: list[Tool] = []
        self.broken = False
        self._spec = spec
        self._start_timeout = start_timeout
        self._log = ServerLog()
        self._process = _process(spec, self._log)
        self._connection: Connection | None = None

    async def start(self) -> None:
        """Start the server, connect to it, and list its tools. Raises ToolboxFailed in bounded time."""
        try:
            if self._process:
                await self._process.start()
            self.tools = await self._connect()
        except (ConnectionLost, OSError, ValueError) as error:
            raise self._failed("did not start", error_text(error)) from None

    async def call(self, tool: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None) -> CallToolResult:
        """Call the tool, and return its result. Raises ToolboxFailed of a lost server, and the call's own errors."""
        try:
            async with self._connected() as connection:
                return await connection.call(tool, arguments, meta)
        except ConnectionLost as error:
            raise self._failed("was lost", str(error)) from None
        except CallTimedOut:
            self.broken = True  # it goes on with a call that nobody waits for
            raise

    async def follow_changes(self) -> None:
        """List the tools again where the server has said that they have changed; as they are, where that fails."""
        if self._connection and self._connection.tools_changed:
            with suppress(Exception):  # the next call tells of a server that is lost
                self.tools = await self._connection.list_tools()

    async def is_alive(self) -> bool:
        """Return whether it is still there, and can be used again."""
        if self._process and not self._process.running:
            return False
        return self._connection is None or await self._connection.is_alive()

    async def stop(self) -> None:
        """Stop the server, in bounded time, whatever state it is in."""
        if self._connection:
            await self._connection.close()
        if self._process:
            await self._process.stop()
        self._log.close()

    async def _connect(self) -> list[Tool]:
        if self._spec.params.reconnecting:
            async with self._fresh() as (_, tools):
                return tools
        self._connection = self._make_connection()
        return await _opened(self._connection, self._start_timeout)

    @asynccontextmanager
    async def _connected(self) -> AsyncIterator[Connection]:
        if self._connection:
            yield self._connection
            return
        async with self._fresh() as (connection, tools):
            self.tools = tools
            yield connection
            if self._spec.params.kind != "stdio" and connection.tells_of_changes:
                with suppress(Exception):  # the call has its answer
                    self.tools = await connection.list_tools()

    @asynccontextmanager
    async def _fresh(self) -> AsyncIterator[tuple[Connection, list[Tool]]]:
        """Connect for one use (`reconnecting`)."""
        connection = self._make_connection()
        try:
            yield connection, await _opened(connection, self._start_timeout)
        finally:
            await asyncio.shield(asyncio.ensure_future(connection.close()))

    def _make_connection(self) -> Connection:
        return Connection(self._spec, self._log)

    def _failed(self, event: str, reason: str) -> ToolboxFailed:
        self.broken = True
        tail = self._log.tail()
        return ToolboxFailed(f"toolbox {self._spec.name} {event}: {one_line(reason)}" + (f"\n{tail}" if tail else ""))


async def _opened(connection: Connection, seconds: float) -> list[Tool]:
    try:
        async with asyncio.timeout(seconds):
            return await connection.open()
    except TimeoutError:
        raise ConnectionLost(f"no answer within {seconds:g} s") from None
    except Exception as error:  # whatever a foreign server does at its start is its failure
        raise ConnectionLost(error_text(error)) from None


def _process(spec: ServerSpec, log: ServerLog) -> ServerProcess | None:
    return ServerProcess(spec.params, log, spec.folder) if spec.params.command and spec.params.kind != "stdio" else None
