"""Toolboxes for tests, each a real server process, and what agents do with them."""

import resource
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from grammar.documents.models import ServerParams, Toolbox
from tests.activities.conftest import FAILING_SERVER, SERVER, Bench
from tests.support.scripted_endpoint import Call, Match, Reply
from tests.support.waiting import until

NAME = "tests.box"


def box(*args: str, name: str = NAME, session: float = 10, confirm: tuple[str, ...] = (), **params: Any) -> Any:
    """Return a toolbox by its name: a stdio server with these arguments, unless `params` say otherwise.

    `session`: seconds that one request may take.
    """
    server = FAILING_SERVER if "--start" in args else SERVER
    fields = {"kind": "stdio", "command": sys.executable, "args": (str(server), *args), **params}
    toolbox = Toolbox(server_params=ServerParams(**fields), client_session_timeout=session, confirm=confirm)
    return {name: toolbox}


def shared_box(*args: str, **fields: Any) -> Any:
    """Return a toolbox whose server all tests of a file share: for what is not about servers."""
    return box(*args, lifetime="worker", **fields)


def http_box(kind: str, url: str, **fields: Any) -> Any:
    """Return a toolbox whose server runs already."""
    return box(**{"kind": kind, "url": url, "command": None, "args": (), **fields})


def own_http_box(port: int, *args: str, **fields: Any) -> Any:
    """Return a toolbox that starts its server and reaches it over HTTP."""
    url = f"http://127.0.0.1:{port}/mcp"
    return box("--transport", "streamable", "--port", str(port), "--more", *args, kind="streamable", url=url, **fields)


def calls(*made: Call, then: str = "done") -> list[Reply]:
    """Return rules by which the model makes these calls at once, and then answers with a text."""
    return [Reply(when=Match(turn=0), tool_calls=list(made)), Reply(text=then)]


def one_by_one(*made: Call) -> list[Reply]:
    """Return rules by which the model makes one call a turn."""
    return [*(Reply(when=Match(turn=turn), tool_calls=[call]) for turn, call in enumerate(made)), Reply(text="done")]


async def failure(bench: Bench, **fields: Any) -> ApplicationError:
    """Run an agent that fails, and return the error."""
    with pytest.raises(ApplicationError) as caught:
        await bench.agent(**fields)
    return caught.value


@contextmanager
def disk_of(size: int) -> Iterator[None]:
    """Have no file of this process, and of those that it starts, grow beyond `size` bytes, as if the disk were full."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def free_port() -> int:
    """Return a port that nobody listens on."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        return int(bound.getsockname()[1])


def listening(port: int) -> bool:
    """Return whether somebody listens on the port."""
    with socket.socket() as connecting:
        return connecting.connect_ex(("127.0.0.1", port)) == 0


def started(log: Path) -> list[int]:
    """Return the ids of the processes that have written themselves into the log."""
    return [int(line) for line in log.read_text().split()] if log.exists() else []


@contextmanager
def http_server(kind: str, *args: str) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """Run a server over HTTP for the block; yield its URL and its process."""
    port = free_port()
    command = [sys.executable, str(SERVER), "--transport", kind, "--port", str(port), "--more", *args]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    try:
        until(lambda: listening(port))
        yield f"http://127.0.0.1:{port}/{'sse' if kind == 'sse' else 'mcp'}", process
    finally:
        process.kill()
        process.wait()
