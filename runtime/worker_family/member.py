"""The parent, as a member of a worker's family has it."""

import asyncio
import socket
from collections.abc import AsyncIterator

from runtime.worker_family.orders import Line, decode, encode


class ParentLink:
    """Tell the parent something, and hear its orders."""

    def __init__(self, link: socket.socket) -> None:
        self._link = link

    def serve(self, task_queue: str) -> None:
        """Have all members serve the task queue."""
        self._link.sendall(encode(Line("serve", task_queue)))

    def leave(self, task_queue: str) -> None:
        """Have none of them serve it any more."""
        self._link.sendall(encode(Line("leave", task_queue)))

    def ready(self, text: str = "") -> None:
        """Say that this member does its work. `text`: for people, to be printed once all of them do."""
        self._link.sendall(encode(Line("ready", text)))

    async def orders(self) -> AsyncIterator[Line]:
        """Yield what is to be served, and to be left, as it comes. Ends with the parent."""
        self._link.setblocking(False)
        rest = b""
        while piece := await asyncio.get_running_loop().sock_recv(self._link, 65_536):
            *lines, rest = (rest + piece).split(b"\n")
            for line in lines:
                yield decode(line)
