"""One session with an MCP server, over any transport (specification section 1)."""

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, TypeVar

import httpx2
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT, CallToolResult, Tool

from activities.toolboxes.server_process import ServerLog, environment
from activities.toolboxes.server_spec import ServerSpec
from grammar.documents.models import ServerParams

T = TypeVar("T")

HTTP_TIMEOUT = 30.0
FAREWELL = 2.0
CHECK = 2.0
# The session's own timeout comes first; this one is for a transport that does not even take the request.
MARGIN = 5.0

# What it would log reaches us as errors; its texts may hold a url with a key, and go by no redaction.
logging.getLogger("mcp.client").setLevel(logging.CRITICAL)


class ConnectionLost(Exception):
    """The server does not answer any more. Its text says how that showed."""


class CallTimedOut(Exception):
    """A call took longer than one request may. The server may be busy with it still."""


class Connection:
    """A session in an asyncio task of its own: the MCP SDK wants it closed by the task that opened it."""

    def __init__(self, spec: ServerSpec, log: ServerLog) -> None:
        self._client = Client(_transport(spec, log), cache=None, read_timeout_seconds=spec.request_timeout)
        self._limit = spec.request_timeout + MARGIN
        # A stdio transport ends its process in bounded time by itself. Over HTTP, a goodbye may go unanswered.
        self._farewell = None if spec.params.kind == "stdio" else FAREWELL
        self._ready = asyncio.Event()
        self._over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> list[Tool]:
        """Connect; what tools the server has. Raises whatever goes wrong in a foreign server or on the way to it."""
        self._task = asyncio.create_task(self._hold_open())
        await self._unless_ended(self._ready.wait())
        return await self._unless_ended(self._list_tools())

    async def call(self, tool: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None) -> CallToolResult:
        """The tool's result. Raises ConnectionLost, CallTimedOut; any other exception is the call's own."""
        request = self._client.call_tool(tool, arguments, meta=meta)  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(self._limit):
                return await self._unless_ended(request)
        except Exception as error:  # of a foreign server: what counts is whether it is still there
            if isinstance(error, MCPError) and error.code == REQUEST_TIMEOUT and await self.answers():
                raise CallTimedOut(f"no answer within {self._limit - MARGIN:g} s") from None
            if _is_loss(error) or not await self.answers():
                raise ConnectionLost(said(error)) from None
            raise

    async def answers(self) -> bool:
        """Whether the server is there; one that is busy counts as there."""
        try:
            async with asyncio.timeout(CHECK):
                await self._unless_ended(self._client.list_tools())
        except TimeoutError:
            return True
        except Exception:  # whatever it is, this connection is of no use any more
            return False
        return True

    async def close(self) -> None:
        """Close it, and end a stdio server with it: in bounded time, whatever state it is in."""
        if self._task is None:
            return
        self._over.set()
        if self._ready.is_set():
            await asyncio.wait({self._task}, timeout=self._farewell)
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _hold_open(self) -> None:
        async with self._client:
            self._ready.set()
            await self._over.wait()

    async def _list_tools(self) -> list[Tool]:
        page = await self._client.list_tools()
        tools, seen = [*page.tools], set[str]()
        # A server that repeats a cursor would never come to an end.
        while (cursor := page.next_cursor) and cursor not in seen:
            seen.add(cursor)
            page = await self._client.list_tools(cursor=cursor)
            tools += page.tools
        return tools

    async def _unless_ended(self, request: Coroutine[Any, Any, T]) -> T:
        """What the request gives, or raises; the end of the connection ends the waiting."""
        assert self._task
        asked = asyncio.create_task(request)
        try:
            await asyncio.wait({asked, self._task}, return_when=asyncio.FIRST_COMPLETED)
            if asked.done():
                return asked.result()
            if not self._task.cancelled() and (error := self._task.exception()):
                raise ConnectionLost(said(error))
            raise ConnectionLost("the connection is closed")
        finally:
            asked.add_done_callback(_look_at)
            asked.cancel()


def said(error: BaseException) -> str:
    """What an exception of a foreign library says; of a group, its first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return str(error) or type(error).__name__


def _is_loss(error: Exception) -> bool:
    if isinstance(error, MCPError):
        return error.code in (CONNECTION_CLOSED, REQUEST_TIMEOUT)
    return isinstance(error, ConnectionLost | TimeoutError)


def _look_at(task: asyncio.Task[Any]) -> None:
    """So that asyncio does not complain of an exception that nobody waits for any more."""
    if not task.cancelled():
        task.exception()


def _transport(spec: ServerSpec, log: ServerLog) -> AbstractAsyncContextManager[Any]:
    params = spec.params
    if params.kind == "stdio":
        process = StdioServerParameters(
            command=params.command or "",
            args=list(params.args),
            env=environment(os.environ, params.env),
            cwd=spec.folder,
            encoding_error_handler="replace",
        )
        return stdio_client(process, errlog=log.file)  # type: ignore[arg-type]
    if params.kind == "sse":
        return sse_client(params.url or "", httpx_client_factory=lambda *_, **__: _http_client(params))
    return _streamable(params)


@asynccontextmanager
async def _streamable(params: ServerParams) -> AsyncIterator[Any]:
    async with (
        _http_client(params) as client,
        streamable_http_client(params.url or "", http_client=client) as streams,
    ):
        yield streams


def _http_client(params: ServerParams) -> httpx2.AsyncClient:
    """Redirects are the transport's: it follows them within one origin only, so headers stay with their host."""
    # No limit on reading: a stream of events is silent while nothing happens. Each request has its own limit.
    timeout = httpx2.Timeout(params.timeout or HTTP_TIMEOUT, read=None)
    return httpx2.AsyncClient(headers={**params.headers, **params.optional_headers}, timeout=timeout)
