"""A scripted OpenAI-compatible HTTP endpoint, driven by rules. Everything around it is real.

python -m tests.support.scripted_endpoint --rules rules.yaml --port 0 --port-file F
"""

import argparse
import asyncio
import contextlib
import json
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Self

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
    response,
    response_events,
)

__all__ = ["Call", "Match", "RecordedRequest", "Reply", "ScriptedEndpoint"]


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
        if not path.partition("?")[0].endswith(("/chat/completions", "/responses")):
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
        cut = rule.drop == "middle"
        if rule.status != 200:
            error = {"message": rule.message, "type": "scripted", "code": rule.code}
            return await _send(writer, rule.status, {"error": error}, rule.headers)
        responses = request.path.partition("?")[0].endswith("/responses")
        if request.body.get("stream"):
            events = list(response_events(request, rule) if responses else chunks(request, rule))
            return await _stream(writer, events, cut=cut)
        whole = response(request, rule) if responses else completion(request, rule)
        return await _send(writer, 200, whole, rule.headers, cut=cut)

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


async def _stream(writer: asyncio.StreamWriter, events: list[Json], *, cut: bool) -> bool:
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
    lines = [json.dumps(event) for event in events]
    if "type" not in events[0]:
        lines.append("[DONE]")
    for line, event in zip(lines, [*events, {}], strict=False):
        name = f"event: {event['type']}\n" if "type" in event else ""
        data = f"{name}data: {line}\n\n".encode()
        writer.write(f"{len(data):x}\r\n".encode() + data + b"\r\n")
        if cut:
            await writer.drain()
            return False
    writer.write(b"0\r\n\r\n")
    await writer.drain()
    return True


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
