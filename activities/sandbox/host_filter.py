"""The way out of a sandbox to the hosts that its policy names, and to no other: a proxy for HTTP (section 10).

It listens in the network of the sandbox, and asks from here. Names are looked up here too.
"""

import asyncio
import ipaddress
import logging
import socket
from collections.abc import Awaitable, Sequence
from contextlib import closing, suppress
from typing import NamedTuple
from urllib.parse import urlsplit, urlunsplit

from activities.guardian.messages import PROXY_PORT

log = logging.getLogger(__name__)

_URL = f"http://127.0.0.1:{PROXY_PORT}"
VARIABLES = {
    **dict.fromkeys(("HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"), _URL),
    "NODE_USE_ENV_PROXY": "1",  # Node asks for it
}
"""What programs in the sandbox learn of the proxy by."""

# Bytes, of all lines ahead of a request's body; bytes at a time; seconds; connections of one sandbox.
MOST_OF_HEAD = 65_536
CHUNK = 65_536
CONNECT_TIMEOUT = 30.0
AT_ONCE = 256
# Of a request to a proxy, what is for the proxy, or what it says anew.
_OWN_HEADERS = ("host", "connection", "proxy-connection", "proxy-authorization", "keep-alive")


class RefusedRequest(Exception):
    """Says why a request goes no further: an HTTP status, and a line for whoever reads the answer."""


class HostFilter:
    """Answer requests to some hosts. `allowed`: as HOST:PORT, in small letters."""

    def __init__(self, allowed: Sequence[str]) -> None:
        self._allowed = frozenset(allowed)
        self._connections: set[asyncio.Task[None]] = set()

    async def serve(self, listening: socket.socket, until: Awaitable[object]) -> None:
        """Serve the socket until that is done, and close all connections."""
        server = await asyncio.start_server(self._accept, sock=listening, limit=MOST_OF_HEAD)
        try:
            await until
        finally:
            server.close()
            for connection in self._connections:
                connection.cancel()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task
        with closing(writer):
            if len(self._connections) >= AT_ONCE:  # each is one of the worker's descriptors
                return
            self._connections.add(task)
            try:
                await self._answer(reader, writer)
            except (OSError, EOFError, asyncio.LimitOverrunError) as error:
                log.debug("a connection through the filter of hosts ended: %s", error)
            finally:
                self._connections.discard(task)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        try:
            request = parse(head)
            if request.address not in self._allowed:
                raise RefusedRequest(f"403 the policy of the sandbox does not name {request.address}")
            from_host, to_host = await _connect(request)
        except RefusedRequest as refused:
            status, _, text = str(refused).partition(" ")
            writer.write(f"HTTP/1.1 {status} Refused\r\nConnection: close\r\n\r\n{text}\n".encode())
            await writer.drain()
            return
        with closing(to_host):
            if request.is_tunnel:
                writer.write(b"HTTP/1.1 200 Connected\r\n\r\n")
            else:
                to_host.write(request.head)
            await asyncio.gather(_copy(reader, to_host), _copy(from_host, writer))


class Request(NamedTuple):
    """What a program in a sandbox asks of the proxy."""

    host: str
    """A name or an address, in small letters, without brackets."""
    port: int
    """Its port."""
    is_tunnel: bool
    """Whether all that follows goes there as it is (CONNECT)."""
    head: bytes
    """Where it does not: the request, as it goes to the host."""

    @property
    def address(self) -> str:
        """Return it as a policy would name it."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse(head: bytes) -> Request:
    """Return the request that the lines of a head make. Raises RefusedRequest."""
    line, *headers = head.decode("latin-1").split("\r\n")
    try:
        method, target, version = line.split(" ")
        is_tunnel = method == "CONNECT"
        parts = urlsplit(f"//{target}" if is_tunnel else target)
        port = parts.port or 80
    except ValueError:
        raise RefusedRequest("400 this is no request to a proxy") from None
    if not parts.hostname or parts.scheme not in ("", "http") or (is_tunnel and parts.port is None):
        raise RefusedRequest("400 this is no request to a proxy")
    path = urlunsplit(("", "", parts.path or "/", parts.query, ""))
    kept = [header for header in headers if header and header.partition(":")[0].strip().lower() not in _OWN_HEADERS]
    lines = [f"{method} {path} {version}", f"Host: {parts.netloc.rpartition('@')[2]}", "Connection: close", *kept]
    return Request(parts.hostname, port, is_tunnel, "\r\n".join([*lines, "", ""]).encode("latin-1"))


async def _connect(request: Request) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    """Connect to the host, at an address that is right for it. Raises RefusedRequest."""
    try:
        async with asyncio.timeout(CONNECT_TIMEOUT):
            found = await asyncio.get_running_loop().getaddrinfo(request.host, request.port, type=socket.SOCK_STREAM)
            for address in (str(at[0]) for *_, at in found):
                if is_right(address, request.host):
                    return await asyncio.open_connection(address, request.port)
    except OSError as error:  # TimeoutError is one
        raise RefusedRequest(f"502 {request.address} cannot be reached: {error}") from None
    raise RefusedRequest(f"403 {request.host} is an address of this machine or its link, which its name does not say")


def is_right(address: str, host: str) -> bool:
    """Return whether a name may lead to that address: to this machine or its link, only where it says so itself."""
    if host in ("localhost", address):
        return True
    found = ipaddress.ip_address(address.partition("%")[0])
    found = getattr(found, "ipv4_mapped", None) or found
    return not (found.is_loopback or found.is_link_local or found.is_unspecified or found.is_multicast)


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(CHUNK):
            writer.write(data)
            await writer.drain()
    if writer.can_write_eof() and not writer.is_closing():
        writer.write_eof()
