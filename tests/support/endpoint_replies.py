"""The requests of a scripted endpoint, the rules by which it replies, and the replies as OpenAI's APIs word them."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

Json = dict[str, Any]


class _Scripted(BaseModel):
    # A misspelt field would be a rule that fits everything, or one that answers "ok".
    model_config = ConfigDict(extra="forbid")


class Match(_Scripted):
    """What a request must be like; what is not given does not matter. `turn`: how many the model has had so far."""

    prompt: str | None = None
    system: str | None = None
    turn: int | None = None
    model: str | None = None
    tool_result: str | None = None

    def fits(self, request: "RecordedRequest") -> bool:
        """Return whether the request is like that."""
        return (
            (self.prompt is None or re.search(self.prompt, request.prompt) is not None)
            and (self.system is None or self.system in request.system)
            and (self.turn is None or self.turn == request.turn)
            and (self.model is None or self.model == request.body.get("model"))
            and (self.tool_result is None or self.tool_result in request.tool_result)
        )


class Call(_Scripted):
    """A tool call that the model makes."""

    name: str
    arguments: Json = {}


class Reply(_Scripted):
    """One answer, and what it is for. `$PROMPT` in `text` stands for the prompt.

    `times`: how often it may be given. `drop`: the connection ends before the answer, or in its middle. `delay`: in
    seconds. `usage`: input and output tokens; `cached`, `cache_write` and `reasoning`: how many of them are those.
    `thinking`, `stop`: of the Messages API, what the model thought, and why it stopped. `raw`: what is sent in place of
    an answer: events of a stream, lines of it as they are, or a whole body. `body`: that of an error.
    """

    when: Match = Match()
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
    cached: int = 0
    cache_write: int = 0
    reasoning: int = 0
    thinking: str = ""
    stop: str = ""
    raw: list[Json | str] | Json | None = None
    body: Any = None


@dataclass
class RecordedRequest:
    """One request, as it was recorded. `end` is 0 as long as it is in flight, `status` until it is answered."""

    path: str
    headers: dict[str, str]
    body: Json
    start: float = field(default_factory=time.monotonic)
    end: float = 0
    rule: int | None = None
    status: int = 0

    @property
    def messages(self) -> list[Json]:
        """Return the messages, or the items of the Responses API."""
        given = self.body.get("messages") or self.body.get("input") or []
        return [{"role": "user", "content": given}] if isinstance(given, str) else list(given)

    @property
    def prompt(self) -> str:
        """Return the last message of the user."""
        by_user = (message for message in reversed(self.messages) if message.get("role") == "user")
        return next((_text(message) for message in by_user if not _results(message)), "")

    @property
    def system(self) -> str:
        """Return the system prompt."""
        prompts = [_text(message) for message in self.messages if message.get("role") in ("system", "developer")]
        apart = self.body.get("instructions") or _text({"content": self.body.get("system")})
        return "\n".join([*prompts, apart])

    @property
    def turn(self) -> int:
        """Return how many turns the model has had."""
        # The model's items of one turn stand together: two calls are two items of the Responses API.
        by_model = (
            message.get("role") == "assistant" or message.get("type") == "function_call" for message in self.messages
        )
        return sum(is_turn for is_turn, _ in groupby(by_model))

    @property
    def tool_result(self) -> str:
        """Return the text of the last tool result; empty where there is none."""
        results = [result for message in self.messages for result in _results(message)]
        return str(results[-1].get("content") or results[-1].get("output")) if results else ""

    @property
    def tools(self) -> list[str]:
        """Return the names of the tools that the model is offered."""
        return [tool.get("function", tool)["name"] for tool in self.body.get("tools", [])]


def _results(message: Json) -> list[Json]:
    """The tool results that a message is, or, in the Messages API, has."""
    if message.get("role") == "tool" or "output" in message:
        return [message]
    content = message.get("content")
    return [part for part in content if part.get("type") == "tool_result"] if isinstance(content, list) else []


def _text(message: Json) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def text_of(request: RecordedRequest, rule: Reply) -> str:
    """Return the text of the answer; empty where it is calls."""
    return "" if rule.tool_calls else rule.text.replace("$PROMPT", request.prompt)


def call_id(request: RecordedRequest, index: int) -> str:
    """Return the id of the answer's call number `index`, from 0."""
    return f"call_{request.turn}_{index}"


def completion(request: RecordedRequest, rule: Reply) -> Json:
    """Return an answer of the Chat Completions API."""
    calls = [
        {
            "id": call_id(request, index),
            "type": "function",
            "function": {"name": call.name, "arguments": json.dumps(call.arguments)},
        }
        for index, call in enumerate(rule.tool_calls)
    ]
    message = {"role": "assistant", "content": text_of(request, rule) or None} | (
        {"tool_calls": calls} if calls else {}
    )
    return {
        **_frame(request, "chat.completion"),
        "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls" if calls else "stop"}],
        "usage": _usage(rule),
    }


def chunks(request: RecordedRequest, rule: Reply) -> Iterator[Json]:
    """Yield a streamed answer of the Chat Completions API."""
    frame = _frame(request, "chat.completion.chunk")

    def chunk(delta: Json, finish: str | None = None) -> Json:
        return {**frame, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}

    yield chunk({"role": "assistant", "content": ""})
    text = text_of(request, rule)
    for part in (text[: len(text) // 2], text[len(text) // 2 :]):
        if part:
            yield chunk({"content": part})
    for index, call in enumerate(rule.tool_calls):
        function = {"name": call.name, "arguments": json.dumps(call.arguments)}
        yield chunk(
            {"tool_calls": [{"index": index, "id": call_id(request, index), "type": "function", "function": function}]}
        )
    yield chunk({}, "tool_calls" if rule.tool_calls else "stop")
    if (request.body.get("stream_options") or {}).get("include_usage"):
        yield {**frame, "choices": [], "usage": _usage(rule)}


def error(rule: Reply) -> Json:
    """Return the body of an error, in both of OpenAI's APIs."""
    return {"error": {"message": rule.message, "type": "scripted", "code": rule.code}}


def _frame(request: RecordedRequest, kind: str) -> Json:
    return {"id": "scripted", "object": kind, "created": 0, "model": request.body.get("model", "scripted")}


def _usage(rule: Reply) -> Json:
    given, made = rule.usage
    return {
        "prompt_tokens": given,
        "completion_tokens": made,
        "total_tokens": given + made,
        "prompt_tokens_details": {"cached_tokens": rule.cached, "cache_write_tokens": rule.cache_write},
        "completion_tokens_details": {"reasoning_tokens": rule.reasoning},
    }


def response(request: RecordedRequest, rule: Reply) -> Json:
    """Return an answer of the Responses API."""
    given, made = rule.usage
    return {
        "id": "resp_scripted",
        "object": "response",
        "created_at": 0,
        "model": request.body.get("model", "scripted"),
        "status": "completed",
        "output": _output(request, rule),
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": {
            "input_tokens": given,
            "output_tokens": made,
            "total_tokens": given + made,
            "input_tokens_details": {"cached_tokens": rule.cached, "cache_write_tokens": rule.cache_write},
            "output_tokens_details": {"reasoning_tokens": rule.reasoning},
        },
    }


def _output(request: RecordedRequest, rule: Reply) -> list[Json]:
    if rule.tool_calls:
        return [
            {
                "type": "function_call",
                "id": f"fc_{index}",
                "call_id": call_id(request, index),
                "name": call.name,
                "arguments": json.dumps(call.arguments),
                "status": "completed",
            }
            for index, call in enumerate(rule.tool_calls)
        ]
    part = {"type": "output_text", "text": text_of(request, rule), "annotations": [], "logprobs": []}
    return [{"type": "message", "id": "msg_0", "role": "assistant", "status": "completed", "content": [part]}]


def response_events(request: RecordedRequest, rule: Reply) -> Iterator[Json]:
    """Yield a streamed answer of the Responses API."""
    whole = response(request, rule)
    events: list[Json] = [{"type": "response.created", "response": {**whole, "status": "in_progress", "output": []}}]
    for index, item in enumerate(whole["output"]):
        position = {"item_id": item["id"], "output_index": index}
        message = item["type"] == "message"
        empty: Json = {"content": []} if message else {"arguments": ""}
        events.append(
            {
                "type": "response.output_item.added",
                "output_index": index,
                "item": {**item, "status": "in_progress", **empty},
            }
        )
        events += _text_events(position, item["content"][0]) if message else _call_events(position, item)
        events.append({"type": "response.output_item.done", "output_index": index, "item": item})
    events.append({"type": "response.completed", "response": whole})
    for number, event in enumerate(events):
        yield {**event, "sequence_number": number}


def _text_events(position: Json, part: Json) -> list[Json]:
    at = {**position, "content_index": 0}
    text = part["text"]
    halves = [half for half in (text[: len(text) // 2], text[len(text) // 2 :]) if half]
    return [
        {"type": "response.content_part.added", **at, "part": {**part, "text": ""}},
        *({"type": "response.output_text.delta", **at, "delta": half, "logprobs": []} for half in halves),
        {"type": "response.output_text.done", **at, "text": text, "logprobs": []},
        {"type": "response.content_part.done", **at, "part": part},
    ]


def _call_events(position: Json, item: Json) -> list[Json]:
    kind = "response.function_call_arguments"
    return [
        {"type": f"{kind}.delta", **position, "delta": item["arguments"]},
        {"type": f"{kind}.done", **position, "name": item["name"], "arguments": item["arguments"]},
    ]
