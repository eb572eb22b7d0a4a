"""What a hostile or broken model endpoint sends takes bounded memory and time, and the error names the setting."""

import asyncio
import gzip
import itertools
import json
import time
from collections.abc import Iterable, Iterator
from typing import Any

import pytest
from temporalio.exceptions import ApplicationError

from grammar.errors import UserError
from grammar.limits import ALL, check
from tests.activities.conftest import Bench
from tests.model_endpoint.asking import call, chunk
from tests.security.hostile_http import HEAD, answering

LIMIT = 1024**2
TOO_LATE = 64 * LIMIT


def event(data: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def numbered() -> Iterator[bytes]:
    return (event(call(number, "same", "t", "{}")) for number in itertools.count())


def repeated(piece: bytes) -> Iterator[bytes]:
    """As many of it as would be far too many."""
    return itertools.repeat(piece, TOO_LATE // len(piece))


BEGUN = event(call(0, "c", "t", ""))
SAID, EVENT, STREAM = "said more in one answer than", "sent one event of more than 4 times", "sent more than 16 times"
FLOODS: dict[str, tuple[str, Iterable[bytes]]] = {
    "text": (SAID, repeated(event(chunk({"content": "A" * 8000})))),
    "thoughts": (SAID, repeated(event(chunk({"reasoning_content": "A" * 8000})))),
    "arguments": (SAID, itertools.chain([BEGUN], repeated(event(call(0, None, None, "A" * 8000))))),
    "calls": (SAID, numbered()),
    "a call that begins again": (SAID, itertools.chain([BEGUN], repeated(event(call(0, None, "t", '"'))))),
    "what nobody reads": (STREAM, repeated(event({"choices": [], "junk": "A" * 8000}))),
    "a line": (EVENT, itertools.chain([b"data: "], repeated(b"A" * 65536))),
    "a line of a name": (EVENT, itertools.chain([b"data"], repeated(b"A" * 65536))),
    "lines": (EVENT, itertools.chain([b"data: {\n"], repeated((b"data: " + b"A" * 1000 + b"\n") * 60))),
    "a comment": (EVENT, itertools.chain([b": "], repeated(b"A" * 65536))),
    "comments": (STREAM, repeated((b": " + b"hello" * 1000 + b"\n\n") * 20)),
}


async def failure(bench: Bench, monkeypatch: pytest.MonkeyPatch, url: str, **fields: Any) -> ApplicationError:
    monkeypatch.setenv("AI_API_ENDPOINT", f"{url}/v1")
    with pytest.raises(ApplicationError) as caught:
        await bench.agent(**fields)
    return caught.value


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFLOW_LIMIT_ANSWER", "1M")


@pytest.mark.parametrize(("told", "pieces"), FLOODS.values(), ids=FLOODS)
async def test_a_flood(bench: Bench, monkeypatch: pytest.MonkeyPatch, told: str, pieces: Iterable[bytes]) -> None:
    async with answering(pieces) as url:
        error = await failure(bench, monkeypatch, url)
    assert error.type == "ModelUnavailable"
    assert f"{told} 1M; to allow more, set TASKFLOW_LIMIT_ANSWER where the worker runs" in error.message


@pytest.mark.parametrize(("name", "told"), [("text", STREAM), ("a line", EVENT)], ids=["text", "a line"])
async def test_a_flood_of_responses(bench: Bench, monkeypatch: pytest.MonkeyPatch, name: str, told: str) -> None:
    delta = {"type": "response.output_text.delta", "item_id": "i", "output_index": 0, "content_index": 0}
    text = repeated(event({**delta, "delta": "A" * 8000}))
    pieces = text if name == "text" else itertools.chain([b"data: "], repeated(b"A" * 65536))
    async with answering(pieces) as url:
        error = await failure(bench, monkeypatch, url, model={"api_type": "responses"})
    assert f"{told} 1M; to allow more, set TASKFLOW_LIMIT_ANSWER" in error.message


GROWING = {
    "text": ({"type": "text", "text": ""}, {"type": "text_delta", "text": "A" * 8000}),
    "thoughts": ({"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "A" * 8000}),
    "signatures": ({"type": "thinking", "thinking": ""}, {"type": "signature_delta", "signature": "A" * 8000}),
    "arguments": (
        {"type": "tool_use", "id": "t", "name": "t", "input": {}},
        {"type": "input_json_delta", "partial_json": "A" * 8000},
    ),
    "blocks": ({"type": "text", "text": ""}, None),
}


@pytest.mark.parametrize(("block", "delta"), GROWING.values(), ids=GROWING)
async def test_a_flood_of_a_message(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, block: dict[str, Any], delta: dict[str, Any] | None
) -> None:
    start = {"type": "content_block_start", "index": 0, "content_block": block}
    more = {"type": "content_block_delta", "index": 0, "delta": delta} if delta else start
    pieces = itertools.chain([event({"type": "message_start"}), event(start)], repeated(event(more)))
    async with answering(pieces) as url:
        error = await failure(bench, monkeypatch, url, model={"api_type": "messages"})
    assert error.type == "ModelUnavailable"
    assert "more in one answer than 1M; to allow more, set TASKFLOW_LIMIT_ANSWER" in error.message


def head(status: str, *headers: str) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status}", "connection: close", *headers, "", ""]).encode()


def bomb(begin: bytes) -> bytes:
    """Bytes that decompress to far too many."""
    return gzip.compress(begin + bytes(TOO_LATE), 9)


async def test_a_bomb(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    compressed = head("200 OK", "content-type: text/event-stream", "content-encoding: gzip")
    async with answering([bomb(b"data: ")], compressed) as url:
        error = await failure(bench, monkeypatch, url)
    assert "one event of more than 4 times 1M; to allow more, set TASKFLOW_LIMIT_ANSWER" in error.message


ERRORS = {
    "without end": ([*repeated(b"A" * 65536)], head("400 Bad")),
    "a bomb": ([bomb(b'{"error": ')], head("400 Bad", "content-encoding: gzip")),
    "a bomb of twice": ([gzip.compress(bomb(b""))], head("400 Bad", "content-encoding: gzip, gzip")),
    "a page": ([b"<html>", *repeated(b"A" * 65536)], head("200 OK", "content-type: text/html")),
    "a page that is a bomb": ([bomb(b"<html>")], head("200 OK", "content-encoding: gzip")),
}


@pytest.mark.parametrize(("pieces", "begin"), ERRORS.values(), ids=ERRORS)
async def test_an_error_that_is_a_flood(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, pieces: list[bytes], begin: bytes
) -> None:
    sent = 0

    def counted() -> Iterator[bytes]:
        nonlocal sent
        for piece in pieces:
            sent += len(piece)
            yield piece

    async with answering(counted(), begin) as url:
        error = await failure(bench, monkeypatch, url)
    assert len(error.message) < 1000
    assert sent < 32 * LIMIT


async def drip(piece: bytes, begin: bytes, bench: Bench, monkeypatch: pytest.MonkeyPatch) -> ApplicationError:
    """The failure for an endpoint that sends a piece now and then, as long as somebody is there."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(begin)
        ended = asyncio.create_task(reader.read())
        while piece and not ended.done():
            writer.write(piece)
            await asyncio.wait([ended], timeout=0.05)
        await ended
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    started = time.monotonic()
    try:
        async with asyncio.timeout(20):
            error = await failure(bench, monkeypatch, f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}")
    finally:
        server.close()
    assert time.monotonic() - started < 15
    return error


SLOW = {
    "comments for ever": (b": still here\n\n", HEAD),
    "an error, letter by letter": (b"A", head("500 No")),
    "a page, letter by letter": (b"<", head("200 OK")),
    "blanks": (b"\n", HEAD),
    "silence": (b"", b""),
    "silence in an answer": (b"", HEAD + event(chunk({"content": "A"}))),
    "half a head": (b"", b"HTTP/1.1 200 OK\r\n"),
}


@pytest.mark.parametrize(("piece", "begin"), SLOW.values(), ids=SLOW)
async def test_nothing_is_said(bench: Bench, monkeypatch: pytest.MonkeyPatch, piece: bytes, begin: bytes) -> None:
    limit = "1s" if piece else "300ms"  # on a machine that is busy, pieces come late, which would be silence
    monkeypatch.setenv("TASKFLOW_LIMIT_SILENCE", limit)
    error = await drip(piece, begin, bench, monkeypatch)
    assert f"{limit}; to allow more, set TASKFLOW_LIMIT_SILENCE where the worker runs" in error.message


@pytest.mark.parametrize("limit", ALL, ids=lambda limit: limit.variable)
@pytest.mark.parametrize("said", ["much", "-1", "0", "1e9", "nan"])
def test_a_limit_that_is_none(limit: Any, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(limit.variable, said)
    with pytest.raises(UserError, match=limit.variable):
        check()
