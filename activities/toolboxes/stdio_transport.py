"""MCP over the stdin and stdout of a process of ours (specification section 1).

The MCP SDK has the same, but starts the process itself; ours are held by the guardian.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import anyio
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage
from mcp.types import jsonrpc_message_adapter

from activities.guardian.guarded_process import GuardedProcess
from activities.toolboxes.allowance import Flooded

Incoming = SessionMessage | Exception

# Seconds: for what is still to be written, and that the server has to end by itself once its stdin is closed.
FLUSH_TIMEOUT = 0.5
EXIT_TIMEOUT = 2.0
CHUNK = 65_536


@asynccontextmanager
async def stdio_transport(
    start: Callable[[], Awaitable[GuardedProcess]],
    check: Callable[[GuardedProcess], None],
    take: Callable[[int], None],
) -> AsyncIterator[tuple[Any, Any]]:
    """Yield the streams of messages from and to a process, which is ended with the block, in bounded time.

    `take`: counts the bytes that have come, and raises Flooded where they are too many: nothing is read from then on.
    Raises what `start` raises, and what `check` raises of the process when it has ended.
    """
    process = await start()
    found, incoming = anyio.create_memory_object_stream[Incoming](0)
    outgoing, written = anyio.create_memory_object_stream[SessionMessage](0)
    async with found, incoming, outgoing, written, anyio.create_task_group() as group:
        group.start_soon(_read, process, found, take)
        flushed = anyio.Event()
        group.start_soon(_write, process, written, found, flushed)
        try:
            yield incoming, outgoing
        finally:
            with anyio.CancelScope(shield=True):
                incoming.close()  # from now on, what the server writes is thrown away, so that it does not get stuck
                outgoing.close()
                with anyio.move_on_after(FLUSH_TIMEOUT):
                    await flushed.wait()
                await _end(process)
            group.cancel_scope.cancel()
            check(process)


async def _read(process: GuardedProcess, found: MemoryObjectSendStream[Incoming], take: Callable[[int], None]) -> None:
    assert process.stdout
    with suppress(ConnectionError, Flooded):
        async for line in _lines(process.stdout, take):
            with suppress(anyio.ClosedResourceError, anyio.BrokenResourceError):
                await found.send(_parsed(line))
    await found.aclose()


async def _lines(stream: asyncio.StreamReader, take: Callable[[int], None]) -> AsyncIterator[str]:
    """The lines that are whole; what is not UTF-8 is replaced."""
    pieces: list[bytes] = []
    while chunk := await stream.read(CHUNK):
        take(len(chunk))
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            yield b"".join([*pieces, end]).decode(errors="replace")
            pieces.clear()
        pieces.append(rest)


def _parsed(line: str) -> Incoming:
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError as error:
        return error


async def _write(
    process: GuardedProcess,
    written: MemoryObjectReceiveStream[SessionMessage],
    found: MemoryObjectSendStream[Incoming],
    flushed: anyio.Event,
) -> None:
    assert process.stdin
    try:
        async for message in written:
            text = message.message.model_dump_json(by_alias=True, exclude_unset=True)
            process.stdin.write(text.encode(errors="replace") + b"\n")
            await process.stdin.drain()
    except ConnectionError:
        await found.aclose()  # nobody waits for an answer any more
    finally:
        flushed.set()


async def _end(process: GuardedProcess) -> None:
    """As the protocol says it: stdin is closed, and what does not end by itself is told to."""
    assert process.stdin
    process.stdin.close()
    with suppress(TimeoutError):
        async with asyncio.timeout(EXIT_TIMEOUT):
            await process.wait()
    await process.end()
