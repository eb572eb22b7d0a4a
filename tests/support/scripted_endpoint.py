"""A scripted HTTP endpoint with OpenAI's APIs and Anthropic's, driven by rules. Everything around it is real.

python -m tests.support.scripted_endpoint --rules rules.yaml --port 0 --port-file F
"""

import argparse
import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Self

import yaml
from pydantic import TypeAdapter

from tests.support.endpoint_replies import (
    Call,
    Json,
    Match,
    RecordedRequest,
    Reply,
    chunks,
    completion,
    error,
    response,
    response_events,
)
from tests.support.messages_replies import message, message_error, message_events

__all__ = ["Call", "Match", "RecordedRequest", "Reply", "ScriptedEndpoint"]


class _Api(NamedTuple):
    """How one API words an answer, in events and as a whole, and an error."""

    events: Callable[[RecordedRequest, Reply], Iterator[Json]]
    whole: Callable[[RecordedRequest, Reply], Json]
    error: Callable[[Reply], Json]


_APIS = {
    "/chat/completions": _Api(chunks, completion, error),
    "/responses": _Api(response_events, response, error),
    "/messages": _Api(message_events, message, message_error),
}


def _api(path: str) -> _Api:
    return next(api for name, api in _APIS.items() if path.partition("?")[0].endswith(name))


class ScriptedEndpoint:
    """Answer model requests by rules, in a thread of its own for the length of a `with` block.

    The first rule that fits answers; where none does, the answer is "ok". `requests`: all so far, oldest first.
    """

    def __init__(self, rules: list[Reply] | None = None) -> None:
        self.rules = rules or []
        self.requests: list[RecordedRequest] = []
        self.max_in_flight = 0
        self.port = 0
        self._fired: dict[int, int] = {}
        self._interruptions: list[Reply] = []
        self._in_flight = 0
        self._busy: list[tuple[float, int]] = []

    @property
    def url(self) -> str:
        """Return the base URL, as AI_API_ENDPOINT takes it."""
        return f"http://127.0.0.1:{self.port}/v1"

    def mean_in_flight(self) -> float:
        """Return how many requests were in flight, averaged over the time in which there were any."""
        weighed = total = 0.0
        for (start, count), (end, _) in zip(self._busy, [*self._busy[1:], (time.monotonic(), 0)], strict=False):
            if count:
                weighed += count * (end - start)
                total += end - start
        return weighed / total if total else 0.0

    def __enter__(self) -> Self:
        ready = threading.Event()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self._thread.start()
        ready.wait()
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join()

    def _run(self, ready: threading.Event) -> None:
        self._loop.run_until_complete(self._until_stopped(ready))
        self._loop.close()

    async def _until_stopped(self, ready: threading.Event) -> None:
        self._stop = asyncio.Event()
        async with self.serving():
            ready.set()
            await self._stop.wait()
            for task in asyncio.all_tasks() - {asyncio.current_task()}:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task

    @contextlib.asynccontextmanager
    async def serving(self, port: int = 0) -> AsyncIterator[None]:
        """Serve in this event loop for the length of the block; port 0: a free one."""
        server = await asyncio.start_server(self._connection, "127.0.0.1", port, limit=64 * 2**20)
        self.port = server.sockets[0].getsockname()[1]
        try:
            yield
        finally:
            server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await self._request(reader, writer):
                pass
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        method, path, _ = head[0].split(" ")
        headers = {name.lower(): value for name, _, value in (line.partition(": ") for line in head[1:] if line)}
        raw = await reader.readexactly(int(headers.get("content-length", 0)))
        body = json.loads(raw) if raw else {}
        if path.startswith("/_"):
            return await _send(writer, 200, self._control(path, body))
        if method == "GET":
            return await _send(writer, 200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})
        if not path.partition("?")[0].endswith(tuple(_APIS)):
            return await _send(writer, 404, {"error": {"message": f"no such path: {path}"}})
        request = RecordedRequest(path, headers, body)
        self.requests.append(request)
        self._count(1)
        try:
            return await self._answer(request, self._rule(request), reader, writer)
        finally:
            request.end = time.monotonic()
            self._count(-1)

    def _count(self, change: int) -> None:
        self._in_flight += change
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        self._busy.append((time.monotonic(), self._in_flight))

    def interrupt(self, rule: Reply) -> None:
        """Answer the next request by this rule, whether it fits or not."""
        self._interruptions.append(rule)

    def _rule(self, request: RecordedRequest) -> Reply:
        if self._interruptions:
            return self._interruptions.pop(0)
        for index, rule in enumerate(self.rules):
            if (rule.times is None or self._fired.get(index, 0) < rule.times) and rule.when.fits(request):
                self._fired[index] = self._fired.get(index, 0) + 1
                request.rule = index
                return rule
        return Reply()

    async def _answer(
        self, request: RecordedRequest, rule: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if rule.delay:
            await asyncio.sleep(rule.delay)
        if rule.hang:
            await reader.read()
            return False
        if rule.drop == "before":
            return False
        request.status = rule.status
        return await _reply(writer, request, rule)

    def restart(self, rules: list[Reply]) -> None:
        """Answer by these rules from now on; what was asked before is forgotten."""
        self.rules, self.requests, self._busy, self._fired, self.max_in_flight = rules, [], [], {}, 0

    def _control(self, path: str, body: Any) -> Any:
        if path == "/_requests":
            return [{**vars(request), "prompt": request.prompt} for request in self.requests]
        if path == "/_reset":
            self.restart(self.rules)
        if path == "/_rules":
            self.rules, self._fired = TypeAdapter(list[Reply]).validate_python(body), {}
        return {"requests": len(self.requests), "max": self.max_in_flight, "mean": self.mean_in_flight()}


async def _reply(writer: asyncio.StreamWriter, request: RecordedRequest, rule: Reply) -> bool:
    api, cut = _api(request.path), rule.drop == "middle"
    if rule.status != 200:
        return await _send(writer, rule.status, rule.body or api.error(rule), rule.headers)
    if isinstance(rule.raw, dict):
        return await _send(writer, 200, rule.raw)
    if rule.raw or request.body.get("stream"):
        return await _stream(writer, rule.raw or list(api.events(request, rule)), cut=cut)
    return await _send(writer, 200, api.whole(request, rule), rule.headers, cut=cut)


async def _stream(writer: asyncio.StreamWriter, events: Sequence[Json | str], *, cut: bool) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    done = [] if "type" in events[0] else ["data: [DONE]\n\n"]
    for event in [*events, *done]:
        data = (event if isinstance(event, str) else _line(event)).encode()
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        if cut:
            await writer.drain()
            return False
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


def _line(event: Json) -> str:
    name = f"event: {event['type']}\n" if "type" in event else ""
    return f"{name}data: {json.dumps(event)}\n\n"


async def _send(
    writer: asyncio.StreamWriter, status: int, body: Any, headers: dict[str, str] | None = None, *, cut: bool = False
) -> bool:
    data = json.dumps(body).encode()
    lines = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"HTTP/1.1 {status} scripted\r\n{head}\r\n".encode() + data[: len(data) // 2 if cut else None])
    await writer.drain()
    return not cut


async def _main(rules: Path, port: int, port_file: Path | None) -> None:
    endpoint = ScriptedEndpoint(TypeAdapter(list[Reply]).validate_python(yaml.safe_load(rules.read_text()) or []))
    async with endpoint.serving(port):
        print(endpoint.url, flush=True)
        if port_file:
            port_file.write_text(str(endpoint.port))
        await asyncio.Event().wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rules", type=Path, required=True)
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--port-file", type=Path)
    asyncio.run(_main(**vars(parser.parse_args())))
