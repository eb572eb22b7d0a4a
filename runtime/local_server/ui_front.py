"""The front of the Web UI: it lets in whoever has the token, and asks the server's own UI, which takes anybody.

    python -P launch.py runtime.local_server.ui_front LISTENER INNER_PORT

LISTENER is the descriptor of a socket that listens. The token is the first line of stdin; the process ends with stdin.
"""

import asyncio
import secrets
import socket
import sys
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from urllib.parse import urlencode, urlsplit

import httpx2
import uvicorn
from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route

from runtime import stopping

COOKIE = "taskflow-ui"
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]
HOSTS = ("127.0.0.1", "localhost", "::1")
OTHERS = ("cross-site", "same-site")
# Of this hop alone, or not for the server's own UI: what it says of origins and hosts was looked at here.
NOT_FORWARDED = {"host", "connection", "keep-alive", "transfer-encoding", "upgrade", "origin", "referer"}
NOT_RETURNED = {"connection", "keep-alive", "transfer-encoding"}
CLOSED = (
    "This is the Web UI of somebody's taskflows. It opens at the address, with a token, that `taskflow` has printed.\n"
)
TIMEOUT = 120.0


def front(inner: httpx2.URL, token: str) -> Starlette:
    """Return the front of the UI that answers at `inner`."""
    client = httpx2.AsyncClient(timeout=TIMEOUT, trust_env=False)

    async def answer(request: Request) -> Response:
        if not is_from_here(request.headers, request.method):
            return PlainTextResponse(CLOSED, 403)
        if _is(token, request.query_params.get("token")):
            return _let_in(request, token)
        if not _is(token, request.cookies.get(COOKIE)):
            return PlainTextResponse(CLOSED, 403)
        return await _forward(client, inner, request)

    @asynccontextmanager
    async def closing(_: Starlette) -> AsyncIterator[None]:
        yield
        await client.aclose()

    return Starlette(routes=[Route("/{path:path}", answer, methods=METHODS)], lifespan=closing)


def _is(token: str, given: str | None) -> bool:
    return given is not None and secrets.compare_digest(given.encode(), token.encode())


def is_from_here(headers: Mapping[str, str], method: str) -> bool:
    """Return whether a page of the UI's own asks, or a person does: no page of another name, or of another port."""
    host = headers.get("host", "")
    if urlsplit(f"//{host}").hostname not in HOSTS:
        return False
    if headers.get("origin", f"http://{host}") != f"http://{host}":
        return False
    is_visit = headers.get("sec-fetch-mode") == "navigate" and method == "GET"
    return headers.get("sec-fetch-site") not in OTHERS or is_visit


def _let_in(request: Request, token: str) -> Response:
    """Have the browser keep the token, and take it out of the address, where it is seen and handed on."""
    rest = urlencode([pair for pair in request.query_params.multi_items() if pair[0] != "token"])
    response = Response(status_code=303)
    response.headers["location"] = f"http://{request.headers['host']}{_path(request)}" + (f"?{rest}" if rest else "")
    response.set_cookie(COOKIE, token, httponly=True, samesite="strict")
    return response


def _path(request: Request) -> str:
    """Return the path as it was sent: what is quoted in it is a part of an id."""
    path: bytes = request.scope["raw_path"]
    return path.decode("ascii", "replace")


async def _forward(client: httpx2.AsyncClient, inner: httpx2.URL, request: Request) -> Response:
    headers = [(name, value) for name, value in request.headers.items() if name not in NOT_FORWARDED]
    url = inner.copy_with(raw_path=request.scope["raw_path"] + b"?" + request.scope["query_string"])
    has_body = "content-length" in request.headers or "transfer-encoding" in request.headers
    asked = httpx2.Request(request.method, url, headers=headers, content=request.stream() if has_body else None)
    try:
        given = await client.send(asked, stream=True)
    except httpx2.TransportError:
        return PlainTextResponse("The Temporal server does not answer.\n", 502)
    response = StreamingResponse(given.aiter_raw(), given.status_code, background=BackgroundTask(given.aclose))
    response.raw_headers = [pair for pair in given.headers.raw if pair[0].decode().lower() not in NOT_RETURNED]
    response.headers["referrer-policy"] = "no-referrer"
    return response


async def serve(listener: socket.socket, inner_port: int, token: str) -> None:
    """Answer until stdin is closed."""
    app = front(httpx2.URL(f"http://127.0.0.1:{inner_port}"), token)
    config = uvicorn.Config(app, log_level="error", server_header=False, date_header=False)
    server = uvicorn.Server(config)
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    await stopping.first(stopping.stdin_closed(), asyncio.shield(serving))
    server.should_exit = server.force_exit = True
    await serving


def main() -> None:
    """Run the front's process."""
    listener, inner_port = map(int, sys.argv[1:])
    token = sys.stdin.readline().strip()
    asyncio.run(serve(socket.socket(fileno=listener), inner_port, token))
