"""An answer of the Messages API, as the agents SDK knows answers: events and items of the Responses API. Pure."""

import json
import time
import uuid
from collections.abc import Iterator
from typing import Any

from agents.items import TResponseStreamEvent
from agents.models.fake_id import FAKE_RESPONSES_ID
from openai.types.responses import (
    Response,
    ResponseCompletedEvent,
    ResponseCreatedEvent,
    ResponseFunctionToolCall,
    ResponseOutputItem,
    ResponseOutputMessage,
    ResponseOutputRefusal,
    ResponseOutputText,
    ResponseReasoningItem,
    ResponseTextDeltaEvent,
    ResponseUsage,
)
from openai.types.responses.response_reasoning_item import Content

from activities.messages_api.blocks import REDACTED, THINKING
from activities.model_endpoint.token_counts import of_message


class MessageResponse:
    """Put one answer together, event by event. The events are as `MessageEvents` leaves them."""

    def __init__(self) -> None:
        self._blocks: dict[int, dict[str, Any]] = {}
        self._deltas: dict[tuple[int, str], list[str]] = {}
        self._usage: dict[str, int] = {}
        self._refusal = ""
        self._frame: dict[str, Any] = {}

    def take(self, event: Any) -> Iterator[TResponseStreamEvent]:
        """Yield what the SDK is told of the event: that the answer begins, its text as it comes, and the whole."""
        match event["type"]:
            case "message_start":
                self._frame = {"id": event["message"]["id"], "model": event["message"]["model"]}
                self._count(event["message"]["usage"])
                yield ResponseCreatedEvent(
                    type="response.created", sequence_number=0, response=self._response([], None)
                )
            case "content_block_start":
                self._blocks[event["index"]] = event["content_block"]
            case "content_block_delta":
                yield from self._delta(event["index"], event["delta"])
            case "message_delta":
                self._count(event["usage"])
                self._refusal = event["refusal"]
            case "message_stop":
                usage = ResponseUsage.model_validate(of_message(self._usage).as_response_usage())
                whole = self._response(list(self._items()), usage)
                yield ResponseCompletedEvent(type="response.completed", sequence_number=0, response=whole)

    def _delta(self, index: int, delta: dict[str, Any]) -> Iterator[TResponseStreamEvent]:
        for field, text in delta.items():
            self._deltas.setdefault((index, field), []).append(text)
        if "text" in delta:
            yield ResponseTextDeltaEvent(
                type="response.output_text.delta",
                sequence_number=0,
                item_id=FAKE_RESPONSES_ID,
                output_index=index,
                content_index=0,
                delta=delta["text"],
                logprobs=[],
            )

    def _count(self, usage: dict[str, int]) -> None:
        """Take counts over: each is of the whole answer so far, and one that an event leaves out is 0 there."""
        self._usage = {name: max(number, self._usage.get(name, 0)) for name, number in usage.items()}

    def _items(self) -> Iterator[ResponseOutputItem]:
        texts: list[ResponseOutputText | ResponseOutputRefusal] = []
        for block in map(self._whole, self._blocks):
            if block["type"] == "text":
                texts.append(ResponseOutputText(type="output_text", text=block["text"], annotations=[]))
                continue
            if texts:
                yield _message(texts)
                texts = []
            yield _call(block) if block["type"] == "tool_use" else _thought(block)
        if self._refusal:
            texts.append(ResponseOutputRefusal(type="refusal", refusal=self._refusal))
        if texts:
            yield _message(texts)

    def _whole(self, index: int) -> dict[str, Any]:
        """Return the block with what its deltas said: a text grows, and a signature is replaced."""
        said = {field: parts for (of, field), parts in self._deltas.items() if of == index}
        texts = {field: "".join(parts[-1:] if field == "signature" else parts) for field, parts in said.items()}
        begun = self._blocks[index]
        grown = {field: text if field == "signature" else begun[field] + text for field, text in texts.items()}
        return {**begun, **grown}

    def _response(self, output: list[ResponseOutputItem], usage: ResponseUsage | None) -> Response:
        return Response(
            **self._frame,
            created_at=time.time(),
            object="response",
            output=output,
            parallel_tool_calls=False,
            tool_choice="auto",
            tools=[],
            usage=usage,
        )


def _message(parts: list[ResponseOutputText | ResponseOutputRefusal]) -> ResponseOutputMessage:
    return ResponseOutputMessage(
        id=FAKE_RESPONSES_ID, type="message", role="assistant", status="completed", content=[*parts]
    )


def _call(block: dict[str, Any]) -> ResponseFunctionToolCall:
    said = block.get("partial_json") or json.dumps(block["input"], ensure_ascii=False)
    return ResponseFunctionToolCall(type="function_call", call_id=block["id"], name=block["name"], arguments=said)


def _thought(block: dict[str, Any]) -> ResponseReasoningItem:
    """Return the thought as an item with an id of its own: the SDK takes items of one id for the same."""
    if block["type"] == "redacted_thinking":
        return _reasoning(REDACTED, block["data"])
    return _reasoning(THINKING, block["signature"], Content(type="reasoning_text", text=block["thinking"]))


def _reasoning(kind: str, kept: str, *content: Content) -> ResponseReasoningItem:
    made = f"{kind}{uuid.uuid4().hex}"
    return ResponseReasoningItem(id=made, type="reasoning", summary=[], content=[*content], encrypted_content=kept)
