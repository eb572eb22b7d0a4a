"""A model of the SDK whose endpoint answers with given bytes: through the client, its hook, and nothing else."""

import json
from collections.abc import AsyncIterator, Callable, Collection
from dataclasses import dataclass
from typing import Any

import httpx2
from agents import Model, ModelSettings, OpenAIChatCompletionsModel, OpenAIResponsesModel
from agents.models.interface import ModelTracing
from openai import AsyncOpenAI
from openai.types.responses import Response, ResponseCompletedEvent

from activities.messages_api.messages_model import MessagesModel
from activities.model_endpoint.answer import Answer, awaiting
from activities.model_endpoint.checked_response import check

USAGE = {"choices": [], "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}}
STREAM = "text/event-stream"


@dataclass
class Received:
    """What the SDK made of an answer, and what was noted of it."""

    response: Response
    answer: Answer

    @property
    def text(self) -> str:
        return self.response.output_text

    @property
    def calls(self) -> list[tuple[str, str, str]]:
        return [(one.call_id, one.name, one.arguments) for one in self.response.output if one.type == "function_call"]


class _Parts(httpx2.AsyncByteStream):
    def __init__(self, content: bytes, size: int) -> None:
        self._content, self._size = content, size

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self._content), self._size):
            yield self._content[start : start + self._size]


def model(*contents: bytes, api: str = "chat", status: int = 200, size: int = 1000, **headers: str) -> Model:
    """The model of an endpoint that answers so, one request after the other, in parts of `size` bytes."""
    left = list(contents)

    async def answered(_: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(status, headers={"content-type": STREAM, **headers}, stream=_Parts(left.pop(0), size))

    http = httpx2.AsyncClient(transport=httpx2.MockTransport(answered), event_hooks={"response": [check]})
    client = AsyncOpenAI(base_url="http://endpoint/v1", api_key="key", max_retries=0, http_client=http)
    return _MODELS[api]("m", client)


_MODELS: dict[str, Callable[[str, AsyncOpenAI], Model]] = {
    "chat": OpenAIChatCompletionsModel,
    "responses": OpenAIResponsesModel,
    "messages": MessagesModel,
}


async def ask(content: bytes, api: str = "chat", taken: Collection[str] = (), **how: Any) -> Received:
    """Ask the model once. Raises what the SDK raises."""
    with awaiting(taken) as answer:
        last: object = None
        settings = ModelSettings(include_usage=True)
        events = model(content, api=api, **how).stream_response(
            None, "Hello", settings, [], None, [], ModelTracing.DISABLED, previous_response_id=None,
            conversation_id=None, prompt=None,
        )  # fmt: skip
        async for event in events:
            last = event
    assert isinstance(last, ResponseCompletedEvent), last
    return Received(last.response, answer)


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of a chat completion."""
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def call(index: Any, call_id: Any, name: Any, arguments: Any) -> dict[str, Any]:
    """A chunk with a delta of a tool call."""
    made = {"index": index, "id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return chunk({"tool_calls": [made]})


def sent(*events: dict[str, Any] | str, done: bool = True) -> bytes:
    """The bytes of a stream: each a chunk, an event of a response, or text as it is."""
    told = []
    for event in events:
        named = f"event: {event['type']}\n" if isinstance(event, dict) and "type" in event else ""
        told.append(event if isinstance(event, str) else f"{named}data: {json.dumps(event)}\n\n")
    return "".join([*told, "data: [DONE]\n\n" if done else ""]).encode(errors="replace")


def response(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    """A response of the Responses API."""
    usage = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}
    return {"id": "r", "object": "response", "created_at": 1, "model": "m", "status": "completed",
            "output": list(output), "usage": usage, **more}  # fmt: skip


def message(text: str) -> dict[str, Any]:
    """A message in a response's output."""
    part = {"type": "output_text", "text": text, "annotations": []}
    return {"id": "msg", "type": "message", "role": "assistant", "status": "completed", "content": [part]}


def spoken(*blocks: dict[str, Any], stop: str = "end_turn", **delta: Any) -> list[dict[str, Any]]:
    """The events of an answer of the Messages API; a text in each block comes in a delta of its own."""
    usage = {"input_tokens": 10, "output_tokens": 1}
    start = {"type": "message_start", "message": {"id": "msg", "type": "message", "model": "m", "usage": usage}}
    ended = {"type": "message_delta", "delta": {"stop_reason": stop, **delta}, "usage": {"output_tokens": 5}}
    events = [event for index, block in enumerate(blocks) for event in block_events(index, block)]
    return [start, *events, ended, {"type": "message_stop"}]


def block_events(index: int, block: dict[str, Any]) -> list[dict[str, Any]]:
    """The events of one block."""
    deltas = [{"type": kind, field: block[field]} for field, kind in DELTAS.items() if block.get(field)]
    begun = {field: "" if field in DELTAS else value for field, value in block.items()}
    at = {"index": index}
    told = [{"type": "content_block_delta", **at, "delta": delta} for delta in deltas]
    started = {"type": "content_block_start", **at, "content_block": begun}
    return [started, *told, {"type": "content_block_stop", **at}]


DELTAS = {
    "text": "text_delta",
    "thinking": "thinking_delta",
    "signature": "signature_delta",
    "partial_json": "input_json_delta",
}
