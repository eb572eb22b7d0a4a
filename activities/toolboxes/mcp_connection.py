"""One session with an MCP server, over any transport (specification section 1)."""

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import Any, TypeVar

import httpx2
from mcp import Client, ClientSession, MCPError
from mcp.client.sse import sse_client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import CONNECTION_CLOSED, REQUEST_TIMEOUT, CallToolResult, Tool, ToolListChangedNotification

from activities.sandbox.sandboxes import Sandboxes, check_begun
from activities.toolboxes.allowance import ServerAllowance
from activities.toolboxes.foreign_messages import repairing
from activities.toolboxes.server_process import ServerLog, start_stdio
from activities.toolboxes.server_spec import ServerSpec
from activities.toolboxes.stdio_transport import stdio_transport
from grammar.documents.models import ServerParams
from grammar.errors import SandboxRefused
from grammar.limits import TOOL_LIST, TOOL_OUTPUT, TOOLS
from grammar.model_access.endpoint import PAST_PROXIES

T = TypeVar("T")

# Seconds.
HTTP_TIMEOUT = 30.0
CLOSE_TIMEOUT = 2.0
CHECK_TIMEOUT = 2.0
# The session's own timeout comes first; this one is for a transport that does not even take the request.
MARGIN = 5.0

MISFIT = "temporal-taskflow/misfit"
"""Marks, in the `meta` of a result, that its structured content did not fit the tool's own `outputSchema`."""

# What it would log reaches us as errors; its texts may hold a url with a key, and go by no redaction.
logging.getLogger("mcp.client").setLevel(logging.CRITICAL)


class ConnectionLost(Exception):
    """Say that the server does not answer any more. The text: how that showed."""


class CallTimedOut(Exception):
    """Say that a call took longer than one request may. The server may be busy with it still."""


class Connection:
    """Hold one session open, in an asyncio task of its own: the MCP SDK wants it closed by the task that opened it.

    `tools_changed`: whether the server has said so since its tools were listed.
    """

    def __init__(self, spec: ServerSpec, log: ServerLog, sandboxes: Sandboxes) -> None:
        self._allowance = ServerAllowance()
        transport = repairing(_transport(spec, log, sandboxes, self._allowance))
        self._client = Client(
            transport, cache=None, read_timeout_seconds=spec.request_timeout, message_handler=self._take_message
        )
        self.tools_changed = False
        self._call_timeout = spec.request_timeout + MARGIN
        # A stdio transport ends its process in bounded time by itself. Over HTTP, a goodbye may go unanswered.
        self._close_timeout = None if spec.params.kind == "stdio" else CLOSE_TIMEOUT
        self._ready = asyncio.Event()
        self._closing = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def open(self) -> list[Tool]:
        """Connect, and return the server's tools. Raises whatever goes wrong in the server or on the way to it."""
        self._task = asyncio.create_task(self._run())
        await self._while_open(self._ready.wait())
        return await self.list_tools()

    @property
    def tells_of_changes(self) -> bool:
        """Return whether the server says when its tools change: it may say so after its answer to a call."""
        tools = self._client.server_capabilities.tools
        return self.tools_changed or bool(tools and tools.list_changed)

    async def list_tools(self) -> list[Tool]:
        """Return the server's tools. Raises whatever goes wrong in the server or on the way to it."""
        self.tools_changed = False
        return await self._while_open(self._list_tools())

    async def call(self, tool: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None) -> CallToolResult:
        """Call the tool, and return its result. Raises ConnectionLost, CallTimedOut, and the call's own error."""
        request = self._client.call_tool(tool, arguments, meta=meta)  # type: ignore[arg-type]
        try:
            async with asyncio.timeout(self._call_timeout):
                return await self._while_open(request)
        except Exception as error:  # of a foreign server: what counts is whether it is still there
            if isinstance(error, MCPError) and error.code == REQUEST_TIMEOUT and await self.is_alive():
                raise CallTimedOut(f"no answer within {self._call_timeout - MARGIN:g} s") from None
            if _is_loss(error) or not await self.is_alive():
                raise ConnectionLost(error_text(error)) from None
            raise

    async def is_alive(self) -> bool:
        """Return whether the server answers; a busy one, which takes longer than CHECK_TIMEOUT, counts as alive."""
        try:
            async with asyncio.timeout(CHECK_TIMEOUT):
                await self._while_open(self._client.list_tools())
        except TimeoutError:
            return True
        except Exception:  # whatever it is, this connection is of no use any more
            return False
        return True

    async def close(self) -> None:
        """Close the session, and end a stdio server with it: in bounded time, whatever state it is in."""
        if self._task is None:
            return
        self._closing.set()
        if self._ready.is_set():
            await asyncio.wait({self._task}, timeout=self._close_timeout)
        self._task.cancel()
        await asyncio.wait({self._task})

    async def _run(self) -> None:
        async with self._client:
            _keep_misfits(self._client.session)
            self._ready.set()
            listening = asyncio.create_task(self._listen())
            try:
                await self._closing.wait()
            finally:
                listening.cancel()

    async def _take_message(self, message: object) -> None:
        self.tools_changed = self.tools_changed or isinstance(message, ToolListChangedNotification)

    async def _listen(self) -> None:
        """Hear of changed tools from a server of a protocol that tells only those who ask."""
        if not self.tells_of_changes:
            return
        with suppress(Exception):  # an older protocol, which tells all; or whatever the server makes of it
            async with self._client.listen(tools_list_changed=True) as changes:
                async for _ in changes:
                    self.tools_changed = True

    async def _list_tools(self) -> list[Tool]:
        tools: list[Tool] = []
        seen, cursor, size = set[str | None](), None, 0
        while cursor not in seen:  # a server that repeats a cursor would never come to an end
            seen.add(cursor)
            page = await self._client.list_tools(cursor=cursor)
            tools += page.tools
            size += sum(len(tool.model_dump_json()) for tool in page.tools)
            _check_list(max(len(tools), len(seen)), size)
            if not (cursor := page.next_cursor):
                break
        return tools

    async def _while_open(self, request: Coroutine[Any, Any, T]) -> T:
        """Return what the request returns, or raise what it raises; ConnectionLost where the session ends first."""
        assert self._task
        pending = asyncio.create_task(request)
        try:
            ends: set[asyncio.Future[Any]] = {pending, self._task, self._allowance.exceeded}
            with self._allowance.request():
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
            if self._allowance.exceeded.done():
                raise ConnectionLost(self._allowance.told)
            if pending.done():
                return pending.result()
            if not self._task.cancelled() and (error := self._task.exception()):
                _raise_refusal(error)
                raise ConnectionLost(error_text(error))
            raise ConnectionLost("the connection is closed")
        finally:
            pending.add_done_callback(_retrieve_exception)
            pending.cancel()


def _check_list(count: int, size: int) -> None:
    """Raise ValueError for more tools, or pages of them, and longer ones, than a model could be told of."""
    if count > TOOLS.value:
        raise ValueError(f"it lists more tools than {TOOLS.told}")
    if size > TOOL_LIST.value:
        raise ValueError(f"it lists tools whose descriptions and schemas are longer than {TOOL_LIST.told}")


def _keep_misfits(session: ClientSession) -> None:
    """Have a result that does not fit the tool's own `outputSchema` count as its text: the tool has run."""
    fits = session.validate_tool_result

    async def check(name: str, result: CallToolResult) -> None:
        try:
            await fits(name, result)
        except RuntimeError:
            result.structured_content = None
            result.meta = {**(result.meta or {}), MISFIT: True}

    session.validate_tool_result = check  # type: ignore[method-assign]


def error_text(error: BaseException) -> str:
    """Return the text of an exception of a foreign library, or its class where it has none; of a group, its first."""
    error = first_error(error)
    return str(error) or type(error).__name__


def first_error(error: BaseException) -> BaseException:
    """Return the exception; of a group, its first."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _raise_refusal(error: BaseException) -> None:
    """Raise the SandboxRefused, where it is one."""
    if isinstance(refusal := first_error(error), SandboxRefused):
        raise refusal from None


def _is_loss(error: Exception) -> bool:
    if isinstance(error, MCPError):
        return error.code in (CONNECTION_CLOSED, REQUEST_TIMEOUT)
    return isinstance(error, ConnectionLost | TimeoutError)


def _retrieve_exception(task: asyncio.Task[Any]) -> None:
    """Look at the exception, so that asyncio does not complain of one that nobody waits for any more."""
    if not task.cancelled():
        task.exception()


def _transport(
    spec: ServerSpec, log: ServerLog, sandboxes: Sandboxes, allowance: ServerAllowance
) -> AbstractAsyncContextManager[Any]:
    params = spec.params
    if params.kind == "stdio":
        return stdio_transport(
            lambda: start_stdio(spec, log, sandboxes), lambda process: check_begun(process, log.tail()), allowance.take
        )
    if params.kind == "sse":
        return sse_client(params.url or "", httpx_client_factory=lambda *_, **__: _http_client(params, allowance))
    return _streamable(params, allowance)


@asynccontextmanager
async def _streamable(params: ServerParams, allowance: ServerAllowance) -> AsyncIterator[Any]:
    most = TOOL_OUTPUT.value
    async with (
        _http_client(params, allowance) as client,
        streamable_http_client(params.url or "", http_client=client, max_sse_event_size=most) as streams,
    ):
        yield streams


def _http_client(params: ServerParams, allowance: ServerAllowance) -> httpx2.AsyncClient:
    """Make a client that follows no redirect: the transport does, within one origin only; headers stay with a host."""
    # No limit on reading: a stream of events is silent while nothing happens. Each request has its own limit.
    timeout = httpx2.Timeout(params.timeout or HTTP_TIMEOUT, read=None)
    headers = {**params.headers, **params.optional_headers}
    hooks = {"response": [allowance.count_body]}
    return httpx2.AsyncClient(headers=headers, timeout=timeout, mounts=PAST_PROXIES, event_hooks=hooks)
