"""How much a server may send: from one request to the next, whatever it is. What goes beyond ends the connection."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx2

from activities.process.http_bodies import replace_body
from grammar.limits import TOOL_OUTPUT


class Flooded(Exception):
    """Say that a server has sent too much."""


class ServerAllowance:
    """Count what a server sends over one connection. To be made in a running event loop.

    `exceeded`: done once it was too much; nothing is read from then on.
    """

    def __init__(self) -> None:
        self._most = TOOL_OUTPUT.value
        self._left = self._most
        self._open = 0
        self.exceeded: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @contextmanager
    def request(self) -> Iterator[None]:
        """Make a request for the length of the block: the server has as much again for each one that is open."""
        self._open += 1
        self._left = self._most * self._open
        try:
            yield
        finally:
            self._open -= 1

    def take(self, size: int) -> None:
        """Count bytes that have come. Raises Flooded where there are too many."""
        self._left -= size
        if self._left < 0:
            if not self.exceeded.done():
                self.exceeded.set_result(None)
            raise Flooded(self.told)

    @property
    def told(self) -> str:
        """Return what is wrong with a server that has sent too much."""
        return f"it sent more for one request than {TOOL_OUTPUT.told}"

    async def count_body(self, response: httpx2.Response) -> None:
        """Count the body of a response as it is read, decompressed: for the `event_hooks` of a client."""
        replace_body(response, self._counted)

    async def _counted(self, received: httpx2.Response) -> AsyncIterator[bytes]:
        async for part in received.aiter_bytes():
            self.take(len(part))
            yield part
