"""MCP servers by every transport, as an agent run has them (specification sections 1, 6 and 7)."""

import asyncio
import socket
import time
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import pytest_asyncio

from activities.toolboxes.pool import ServerPool
from grammar.messages.activity_requests import TemplateContext
from tests.activities.boxes import (
    box,
    calls,
    failure,
    free_port,
    http_box,
    http_server,
    one_by_one,
    own_http_box,
    started,
)
from tests.activities.conftest import KEY, Bench, new_pool
from tests.support.scripted_endpoint import Call, Reply, ScriptedEndpoint
from tests.support.waiting import gone, until_async

PID = Call(name="pid")
KINDS = ["sse", "streamable"]

pool = pytest_asyncio.fixture(new_pool, loop_scope="module", name="pool")  # each test has its own


# Transports


@pytest.mark.parametrize("kind", KINDS)
async def test_headers_arrive(
    bench: Bench, endpoint: ScriptedEndpoint, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEY", "a-secret-of-mine\n")
    endpoint.rules = calls(*(Call(name="header", arguments={"name": name}) for name in ("x-maybe", "x-not", "x-key")))
    with http_server(kind) as (url, _):
        toolboxes = http_box(
            kind,
            "{{ env('URL') }}",
            headers={"X-Key": "Bearer {{ env('KEY') }}"},
            optional_headers={"X-Maybe": "{{ globals.maybe }}{{ env('MORE', '!') }}", "X-Not": "{{ env('NOWHERE') }}"},
        )
        monkeypatch.setenv("URL", url)
        result = await bench.agent(toolboxes=toolboxes, surroundings=template_context(maybe="yes"))
    assert "Bearer a-secret-of-mine" in endpoint.requests[1].tool_result
    assert [tool_result.text for tool_result in result.tool_results][:2] == ["yes!", "(none)"]


def template_context(**globals_: Any) -> TemplateContext:
    return TemplateContext(globals=globals_, env={}, key=KEY)


@pytest.mark.parametrize("header", ["{{ env('NOWHERE') }}", "{{ env('BAD') }}"])
async def test_a_header_that_cannot_be_is_an_error(
    bench: Bench, endpoint: ScriptedEndpoint, header: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BAD", "two-secret\nlines-of-it")
    error = await failure(bench, toolboxes=http_box("sse", "http://127.0.0.1:1/sse", headers={"X-Key": header}))
    assert (error.type, error.non_retryable) == ("TemplateFailed", True)
    assert error.message.startswith("toolbox tests.box: header X-Key: ")
    assert "two-secret" not in error.message
    assert not endpoint.requests


@pytest.mark.parametrize("kind", KINDS)
async def test_no_secret_in_an_error(
    bench: Bench, endpoint: ScriptedEndpoint, kind: str, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    monkeypatch.setenv("KEY", "a-secret-of-mine")
    url = f"http://127.0.0.1:{free_port()}/" + "{{ env('KEY') }}"
    error = await failure(bench, toolboxes=http_box(kind, url, headers={"X-Key": "{{ env('KEY') }}"}))
    assert (error.type, error.non_retryable) == ("ToolboxFailed", False)
    assert error.message.startswith("toolbox tests.box did not start: ")
    assert "a-secret-of-mine" not in error.message + caplog.text


@pytest.mark.parametrize("kind", KINDS)
async def test_a_redirect_takes_no_header_to_another_host(bench: Bench, endpoint: ScriptedEndpoint, kind: str) -> None:
    asked: list[str | None] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.headers.get("X-Key"))
            self.send_error(500)

        do_GET = do_POST  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    class Redirecting(Elsewhere):
        def do_POST(self) -> None:
            self.send_response(307)
            self.send_header("Location", f"http://127.0.0.1:{elsewhere.server_port}/mcp")
            self.send_header("Content-Length", "0")
            self.end_headers()

        do_GET = do_POST  # noqa: N815

    elsewhere, redirecting = HTTPServer(("127.0.0.1", 0), Elsewhere), HTTPServer(("127.0.0.1", 0), Redirecting)
    for server in (elsewhere, redirecting):
        Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{redirecting.server_port}/mcp"
    error = await failure(bench, toolboxes=http_box(kind, url, headers={"X-Key": "secret"}))
    assert (error.type, asked) == ("ToolboxFailed", [])
    for server in (elsewhere, redirecting):
        server.shutdown()
        server.server_close()


async def test_timeout_is_the_time_to_connect(bench: Bench, endpoint: ScriptedEndpoint) -> None:
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for connecting in (first, second):  # the queue is full: another connection hangs
            connecting.setblocking(False)
            connecting.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/mcp"
        begin = time.monotonic()
        error = await failure(bench, toolboxes=http_box("streamable", url, timeout=0.5))
    assert error.type == "ToolboxFailed"
    assert time.monotonic() - begin < 60


@pytest.mark.parametrize("kind", ["stdio", "streamable", "own"])
async def test_reconnecting(bench: Bench, endpoint: ScriptedEndpoint, kind: str, tmp_path: Path) -> None:
    log = tmp_path / "starts"
    endpoint.rules = one_by_one(*(Call(name="remember", arguments={"text": text}) for text in "ab"))
    with http_server("streamable") as (url, _):
        toolboxes = {
            "stdio": box("--more", "--starts", str(log), reconnecting=True),
            "streamable": http_box("streamable", url, reconnecting=True),
            "own": own_http_box(free_port(), "--starts", str(log), reconnecting=True),
        }[kind]
        result = await bench.agent(toolboxes=toolboxes)
    texts = [tool_result.text for tool_result in result.tool_results]
    assert texts == (["a", "b"] if kind == "stdio" else ["a", "a b"])
    assert len(started(log)) == {"stdio": 3, "streamable": 0, "own": 1}[kind]
    assert all(map(gone, started(log)))


# Failure


async def test_a_server_that_hangs_at_its_start(endpoint: ScriptedEndpoint, bench: Bench, tmp_path: Path) -> None:
    bench.pool, log = ServerPool(start_timeout=2), tmp_path / "starts"
    begin = time.monotonic()
    error = await failure(bench, toolboxes=box("--start", "hang", "--starts", str(log)))
    assert error.type == "ToolboxFailed"
    assert error.message.startswith("toolbox tests.box did not start: no answer within 2 s\n")
    assert "told to hang" in error.message
    assert time.monotonic() - begin < 60
    assert all(map(gone, started(log)))


@pytest.mark.parametrize("reconnecting", [False, True])
async def test_the_agent_hears_of_a_call_that_takes_too_long(
    bench: Bench, endpoint: ScriptedEndpoint, reconnecting: bool
) -> None:
    endpoint.rules = calls(Call(name="slow", arguments={"seconds": 100}))
    begin = time.monotonic()
    result = await bench.agent(toolboxes=box(session=1, reconnecting=reconnecting))
    assert [tool_result.text for tool_result in result.tool_results] == ["no answer within 1 s"]
    assert time.monotonic() - begin < 60


async def test_who_timed_out_a_server_leaves_it_to_nobody(
    bench: Bench, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    endpoint.rules = calls(Call(name="slow", arguments={"seconds": 100}))
    log = tmp_path / "starts"
    for _ in range(2):
        await bench.agent(toolboxes=box("--starts", str(log), session=1, lifetime="worker"))
    assert len(started(log)) == 2
    await bench.pool.close()


@pytest.mark.parametrize("kind", KINDS)
async def test_an_http_server_that_dies_in_a_call(bench: Bench, endpoint: ScriptedEndpoint, kind: str) -> None:
    endpoint.rules = calls(Call(name="die"))
    begin = time.monotonic()
    with http_server(kind) as (url, _):
        error = await failure(bench, toolboxes=http_box(kind, url))
    assert (error.type, error.non_retryable) == ("ToolboxFailed", False)
    assert time.monotonic() - begin < 30


async def test_servers_start_side_by_side_and_fail_together(
    bench: Bench, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    log = tmp_path / "starts"
    slow = box("--delay", "30", "--starts", str(log), name="slow")
    begin = time.monotonic()
    error = await failure(bench, toolboxes={**slow, **box("--start", "exit")})
    assert "told to exit" in error.message
    assert time.monotonic() - begin < 60
    assert all(map(gone, started(log)))


@pytest.mark.parametrize("args", [("--more",), ("--start", "hang"), ("--deaf", "--more")])
async def test_cancelling_ends_the_server(
    bench: Bench, endpoint: ScriptedEndpoint, args: tuple[str, ...], tmp_path: Path
) -> None:
    log = tmp_path / "starts"
    endpoint.rules = [Reply(hang=True)]
    running = asyncio.create_task(bench.agent(toolboxes=box(*args, "--starts", str(log))))
    until_done = (lambda: _true(started(log))) if "hang" in args else (lambda: _true(endpoint.requests))
    await until_async(until_done)
    begin = time.monotonic()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert all(map(gone, started(log)))
    assert time.monotonic() - begin < 8


async def _true(value: object) -> bool:
    return bool(value)
