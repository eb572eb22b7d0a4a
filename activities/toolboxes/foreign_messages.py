"""Messages of MCP servers that are no proper JSON: repaired, or an error at once for the call that waits for them.

The MCP SDK drops them, and the call would wait for its timeout.
"""

import json
import re
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import TracebackType
from typing import Any, Self

from mcp.shared.message import SessionMessage
from mcp.types import PARSE_ERROR, ErrorData, JSONRPCError, jsonrpc_message_adapter
from pydantic import ValidationError

from grammar.documents.values import encodable

_ID = re.compile(r'"id"\s*:\s*(\d{1,15})\b')
UNREADABLE = "the server answered with what is no JSON-RPC message"


@asynccontextmanager
async def repairing(transport: AbstractAsyncContextManager[Any]) -> AsyncIterator[tuple[Any, Any]]:
    """Open the transport, and yield its streams; what is read is repaired."""
    async with transport as (read, write):
        yield RepairedStream(read), write


class RepairedStream:
    """Read from a transport's stream; whatever could not be read comes as `understood` returns it."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    @property
    def last_context(self) -> Any:
        """Return the context in which the last item was sent, as the SDK asks for it."""
        return getattr(self._stream, "last_context", None)

    async def receive(self) -> SessionMessage | Exception:
        """Return the next item."""
        return understood(await self._stream.receive())

    async def aclose(self) -> None:
        """Close the stream."""
        await self._stream.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> SessionMessage | Exception:
        return understood(await self._stream.__anext__())

    async def __aenter__(self) -> Self:
        await self._stream.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> bool | None:
        left: bool | None = await self._stream.__aexit__(kind, error, at)
        return left


def understood(item: SessionMessage | Exception) -> SessionMessage | Exception:
    """Return a message for an item that says why one could not be read: repaired, or the error of the call it is for.

    Other items are returned as they are.
    """
    if not isinstance(item, ValidationError):
        return item
    found = item.errors(include_url=False, include_context=False)[0]["input"]
    if isinstance(found, dict):
        return _error_for(found.get("id")) or item
    text = found.decode(errors="replace") if isinstance(found, bytes) else str(found)
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_python(encodable(json.loads(text)), by_name=False))
    except (ValueError, RecursionError):
        named = _ID.search(text) if '"jsonrpc"' in text else None
        return (_error_for(int(named[1])) if named else None) or item


def _error_for(request: Any) -> SessionMessage | None:
    if not isinstance(request, int | str):
        return None
    error = ErrorData(code=PARSE_ERROR, message=UNREADABLE)
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=request, error=error))
