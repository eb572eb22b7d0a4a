"""A scripted OpenAI-compatible HTTP endpoint, driven by rules. Everything around it is real.

python -m tests.support.endpoint --rules rules.yaml --port 0 --port-file F
"""

import argparse
import asyncio
import contextlib
import json
import re
import threading
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Self

import yaml
from pydantic import BaseModel, TypeAdapter

Json = dict[str, Any]


class When(BaseModel):
    """What a request must be like; what is not said does not matter. `turn`: assistant messages so far."""

    prompt: str | None = None
    system: str | None = None
    turn: int | None = None
    model: str | None = None
    tool_result: str | None = None

    def fits(self, asked: "Asked") -> bool:
        return (
            (self.prompt is None or re.search(self.prompt, asked.prompt) is not None)
            and (self.system is None or self.system in asked.system)
            and (self.turn is None or self.turn == asked.turn)
            and (self.model is None or self.model == asked.body.get("model"))
            and (self.tool_result is None or self.tool_result in asked.tool_result)
        )


class Call(BaseModel):
    """A tool call that the model makes."""

    name: str
    arguments: Json = {}


class Rule(BaseModel):
    """One answer. `times`: how often it may be given. `$PROMPT` in `text` stands for the prompt."""

    when: When = When()
    times: int | None = None
    text: str = "ok"
    tool_calls: list[Call] = []
    status: int = 200
    headers: dict[str, str] = {}
    message: str = "scripted error"
    code: str | None = None
    drop: Literal["before", "middle"] | None = None
    hang: bool = False
    delay: float = 0
    usage: tuple[int, int] = (10, 5)


@dataclass
class Asked:
    """One request, as it was recorded. `end` is 0 as long as it is in flight."""

    path: str
    headers: dict[str, str]
    body: Json
    start: float = field(default_factory=time.monotonic)
    end: float = 0
    rule: int | None = None

    @property
    def messages(self) -> list[Json]:
        given = self.body.get("messages") or self.body.get("input") or []
        return [{"role": "user", "content": given}] if isinstance(given, str) else list(given)

    @property
    def prompt(self) -> str:
        return next((_text(one) for one in reversed(self.messages) if one.get("role") == "user"), "")

    @property
    def system(self) -> str:
        said = [_text(one) for one in self.messages if one.get("role") in ("system", "developer")]
        return "\n".join([*said, self.body.get("instructions") or ""])

    @property
    def turn(self) -> int:
        return sum(one.get("role") == "assistant" or one.get("type") == "function_call" for one in self.messages)

    @property
    def tool_result(self) -> str:
        results = [one for one in self.messages if one.get("role") == "tool" or "output" in one]
        return str(results[-1].get("content") or results[-1].get("output")) if results else ""

    @property
    def tools(self) -> list[str]:
        return [tool.get("function", tool)["name"] for tool in self.body.get("tools", [])]


class ScriptedEndpoint:
    """The endpoint, in a thread of its own for the length of a `with` block."""

    def __init__(self, rules: list[Rule] | None = None) -> None:
        self.rules = rules or []
        self.requests: list[Asked] = []
        self.max_in_flight = 0
        self.port = 0
        self._fired: dict[int, int] = {}
        self._in_flight = 0
        self._busy: list[tuple[float, int]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def mean_in_flight(self) -> float:
        """Requests in flight, averaged over the time in which there were any."""
        weighed = total = 0.0
        for (start, count), (end, _) in zip(self._busy, self._busy[1:], strict=False):
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
        """Serve in this event loop."""
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
            await _send(writer, 200, self._control(path, body))
            return True
        if method == "GET":
            await _send(writer, 200, {"object": "list", "data": [{"id": "scripted", "object": "model"}]})
            return True
        asked = Asked(path, headers, body)
        self.requests.append(asked)
        self._count(1)
        try:
            return await self._answer(asked, self._rule(asked), reader, writer)
        finally:
            asked.end = time.monotonic()
            self._count(-1)

    def _count(self, change: int) -> None:
        self._in_flight += change
        self.max_in_flight = max(self.max_in_flight, self._in_flight)
        self._busy.append((time.monotonic(), self._in_flight))

    def _rule(self, asked: Asked) -> Rule:
        for index, rule in enumerate(self.rules):
            if (rule.times is None or self._fired.get(index, 0) < rule.times) and rule.when.fits(asked):
                self._fired[index] = self._fired.get(index, 0) + 1
                asked.rule = index
                return rule
        return Rule()

    async def _answer(
        self, asked: Asked, rule: Rule, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> bool:
        if rule.delay:
            await asyncio.sleep(rule.delay)
        if rule.hang:
            await reader.read()
            return False
        if rule.drop == "before":
            return False
        if rule.status != 200:
            error = {"message": rule.message, "type": "scripted", "code": rule.code}
            await _send(writer, rule.status, {"error": error}, rule.headers)
            return True
        responses = asked.path.endswith("/responses")
        if asked.body.get("stream"):
            events = list(_response_events(asked, rule) if responses else _chunks(asked, rule))
            return await _stream(writer, events, cut=rule.drop == "middle")
        await _send(writer, 200, _response(asked, rule) if responses else _completion(asked, rule))
        return True

    def _control(self, path: str, body: Any) -> Any:
        if path == "/_requests":
            return [{**vars(one), "prompt": one.prompt} for one in self.requests]
        if path == "/_reset":
            self.requests, self._busy, self._fired, self.max_in_flight = [], [], {}, 0
        if path == "/_rules":
            self.rules, self._fired = TypeAdapter(list[Rule]).validate_python(body), {}
        return {"requests": len(self.requests), "max": self.max_in_flight, "mean": self.mean_in_flight()}


def _text(message: Json) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def _said(asked: Asked, rule: Rule) -> str:
    return "" if rule.tool_calls else rule.text.replace("$PROMPT", asked.prompt)


def _call_id(asked: Asked, index: int) -> str:
    return f"call_{asked.turn}_{index}"


def _completion(asked: Asked, rule: Rule) -> Json:
    calls = [
        {
            "id": _call_id(asked, index),
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for index, call in enumerate(rule.tool_calls)
    ]
    message = {"role": "assistant", "content": _said(asked, rule) or None} | ({"tool_calls": calls} if calls else {})
    return {
        **_frame(asked, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": _usage(rule),
    }


def _chunks(asked: Asked, rule: Rule) -> Iterator[Json]:
    frame = _frame(asked, "chat.completion.chunk")

    def chunk(delta: Json, finish: str | None = None) -> Json:
        return {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": ""})
    said = _said(asked, rule)
    for part in (said[: len(said) // 2], said[len(said) // 2 :]):
        if part:
            yield chunk({"content": part})
    for index, call in enumerate(rule.tool_calls):
        function = {"name": call.name, "arguments": json.dumps(call.arguments)}
        yield chunk(
            {"tool_calls": [{"index": index, "id": _call_id(asked, index), "type": "function", "function": function}]}
        )
    yield chunk({}, "tool_calls" if rule.tool_calls else "stop")
    if (asked.body.get("stream_options") or {}).get("include_usage"):
        yield {**frame, "choices": [], "usage": _usage(rule)}


def _frame(asked: Asked, kind: str) -> Json:
    return {"id": "scripted", "object": kind, "created": 0, "model": asked.body.get("model", "scripted")}


def _usage(rule: Rule) -> Json:
    given, made = rule.usage
    return {"prompt_tokens": given, "completion_tokens": made, "total_tokens": given + made}


def _response(asked: Asked, rule: Rule) -> Json:
    given, made = rule.usage
    return {
        "id": "resp_scripted",
        "object": "response",
        "created_at": 0,
        "model": asked.body.get("model", "scripted"),
        "status": "completed",
        "output": _output(asked, rule),
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": given,
            "output_tokens": made,
            "total_tokens": given + made,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens_details": {"reasoning_tokens": 0},
        },
    }


def _output(asked: Asked, rule: Rule) -> list[Json]:
    if rule.tool_calls:
        return [
            {
                "type": "function_call",
                "id": f"fc_{index}",
                "call_id": _call_id(asked, index),
                "name": call.name,
                "arguments": json.dumps(call.arguments),
                "status": "completed",
            }
            for index, call in enumerate(rule.tool_calls)
        ]
    part = {"type": "output_text", "text": _said(asked, rule), "annotations": [], "logprobs": []}
    return [{"type": "message", "id": "msg_0", "role": "assistant", "status": "completed", "content": [part]}]


def _response_events(asked: Asked, rule: Rule) -> Iterator[Json]:
    whole = _response(asked, rule)
    events: list[Json] = [{"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}}]
    for index, item in enumerate(whole["output"]):
        events.append({"type": "response.output_item.added", "output_index": index, "item": item})
        if item["type"] == "message":
            place = {"item_id": item["id"], "output_index": index, "content_index": 0}
            text = item["content"][0]["text"]
            events.append({"type": "response.output_text.delta", **place, "delta": text, "logprobs": []})
            events.append({"type": "response.output_text.done", **place, "text": text, "logprobs": []})
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": "response.completed", "response": whole})
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}


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


async def _send(writer: asyncio.StreamWriter, status: int, body: Any, headers: dict[str, str] | None = None) -> None:
    data = json.dumps(body).encode()
    lines = {"content-type": "application/json", "content-length": str(len(data)), **(headers or {})}
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items())
    writer.write(f"HTTP/1.1 {status} scripted\r\n{head}\r\n".encode() + data)
    await writer.drain()


async def _main(rules: Path, port: int, port_file: Path | None) -> None:
    endpoint = ScriptedEndpoint(TypeAdapter(list[Rule]).validate_python(yaml.safe_load(rules.read_text()) or []))
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
