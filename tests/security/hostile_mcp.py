"""A hostile MCP server: over HTTP for the length of a block, and as a program over stdio.

python hostile_mcp.py FLOOD
"""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager, suppress
from typing import Any

PIECE = b"A" * 65536
TOO_LATE = 1024
"""Pieces."""

Json = dict[str, Any]


def answer(request: Json, tools: Iterable[Json] = ({"name": "t", "inputSchema": {"type": "object"}},)) -> Json:
    """What a server that means no harm answers."""
    results = {
        "initialize": {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "hostile", "version": "1"},
        },
        "tools/list": {"tools": list(tools)},
        "tools/call": {"content": [{"type": "text", "text": "ok"}]},
    }
    return {"jsonrpc": "2.0", "id": request.get("id"), "result": results.get(request["method"], {})}


def notified(text: str = "") -> bytes:
    """A notification that nobody asked for."""
    return json.dumps({"jsonrpc": "2.0", "method": "notifications/message",
                       "params": {"level": "info", "data": text}}).encode() + b"\n"  # fmt: skip


Answer = Callable[[Json], tuple[str, Iterable[bytes]] | None]
"""What is answered to a request: headers, and the body in pieces; None: what `answer` says."""


@asynccontextmanager
async def serving(hostile: Answer) -> AsyncIterator[str]:
    """Yield the URL of a server that answers so, over streamable HTTP."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError, asyncio.IncompleteReadError):
            await _respond(reader, writer, hostile)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    finally:
        server.close()


async def _respond(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, hostile: Answer) -> None:
    head = (await reader.readuntil(b"\r\n\r\n")).decode()
    lines = dict(line.lower().split(": ", 1) for line in head.splitlines()[1:] if ": " in line)
    request = json.loads(await reader.readexactly(int(lines.get("content-length", 0))) or b"{}")
    if "id" not in request:
        writer.write(b"HTTP/1.1 202 Accepted\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
        return
    told = hostile(request)
    kind, pieces = told or ("content-type: application/json", [json.dumps(answer(request)).encode()])
    writer.write(f"HTTP/1.1 200 OK\r\nconnection: close\r\n{kind}\r\n\r\n".encode())
    for piece in pieces:
        writer.write(piece)
        await writer.drain()


def flood(kind: str) -> None:
    """Write far too much once a tool is called, and then answer as if nothing was."""
    out, err = sys.stdout.buffer, sys.stderr.buffer
    stream, begin, piece = {
        "stderr": (err, b"", PIECE),
        "line": (out, b'{"jsonrpc": "2.0", "result": "', PIECE),
        "lines": (out, b"", b"no JSON\n" * 8192),
        "notifications": (out, b"", notified() * 500),
    }[kind]
    for line in sys.stdin:
        request = json.loads(line)
        if request.get("method") == "tools/call":
            stream.write(begin + piece * TOO_LATE)
            stream.flush()
        if "id" in request:
            out.write(json.dumps(answer(request)).encode() + b"\n")
            out.flush()


if __name__ == "__main__":
    flood(sys.argv[1])
