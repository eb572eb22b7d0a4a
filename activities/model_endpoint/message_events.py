"""The events of a streamed message (Anthropic's Messages API), made what the API says they are.

Only those go on that a run reads: blocks of text, thoughts and calls as they come, the usage, and the end.
"""

import json
from typing import Any

from activities.model_endpoint.answer import Answer
from activities.model_endpoint.answer_size import CALL_SIZE, AnswerSize
from activities.model_endpoint.finish_reasons import cut_by, is_failure
from activities.model_endpoint.foreign_json import Halves, count, excerpt, joined, plain, text_or_none
from activities.model_endpoint.provider_errors import ProviderError
from grammar.errors import ModelUnavailable

COUNTS = ("input_tokens", "output_tokens", "cache_read_input_tokens", "cache_creation_input_tokens")
PAUSE = "pause_turn"
REFUSED = "it stopped, and gave no reason"

# What each kind of block has, and by which delta it grows.
_FIELDS: dict[str, dict[str, str | None]] = {
    "text": {"text": "text_delta"},
    "thinking": {"thinking": "thinking_delta", "signature": "signature_delta"},
    "redacted_thinking": {"data": None},
    "tool_use": {"partial_json": "input_json_delta"},
}
_DELTAS = {kind for fields in _FIELDS.values() for kind in fields.values() if kind}
_LEFT_OUT = "blocks that are no text, thought or tool call"


class MessageEvents:
    """Clean the events of one answer, one after the other."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._size = AnswerSize()
        self._halves = Halves()
        self._kinds: list[str] = []
        self._places: dict[int, int] = {}
        self._started = False
        self._finished = False

    def clean(self, name: str, data: dict[str, Any]) -> dict[str, Any] | None:
        """Return the event as the API has it; None for one that a run does not read. Raises TaskError for an error."""
        if self._finished:
            return None
        kind = str(data.get("type") or name)
        if kind == "error" or data.get("error"):
            raise ProviderError.of(data).raised()
        if kind == "message_start":
            return self._begin(data.get("message"))
        if not kind.startswith(("content_block_", "message_")):
            return None  # pings, and kinds of events that there may be one day
        if not self._started:
            raise ModelUnavailable(f"the model endpoint sent {excerpt(kind)} before message_start")
        return self._event(kind, data)

    def end(self) -> None:
        """Raise ModelUnavailable where the answer has not come to its end."""
        if not self._finished:
            raise ModelUnavailable("the model's answer ended in its middle: there is no message_stop")

    def _begin(self, message: object) -> dict[str, Any] | None:
        if self._started:
            return None
        self._started = True
        told = message if isinstance(message, dict) else {}
        said = {name: joined(str(told.get(name) or "message")) for name in ("id", "model")}
        return {"type": "message_start", "message": {**said, "usage": _usage(told.get("usage"))}}

    def _event(self, kind: str, data: dict[str, Any]) -> dict[str, Any] | None:
        if kind == "content_block_start":
            return self._block(count(data.get("index")), data.get("content_block"))
        if kind == "content_block_delta":
            return self._delta(count(data.get("index")), data.get("delta"))
        if kind == "message_delta":
            return self._ended(data)
        self._finished = kind == "message_stop"
        return {"type": kind} if self._finished else None

    def _block(self, index: int, block: object) -> dict[str, Any] | None:
        kind = block.get("type") if isinstance(block, dict) else None
        if not isinstance(block, dict) or not isinstance(kind, str):
            raise ModelUnavailable(f"the model endpoint sent a block that is none: {excerpt(repr(block))}")
        if index in self._places:
            self._answer.repaired("several blocks under one index")
        self._places[index] = place = len(self._kinds)
        self._kinds.append(kind)
        self._size.add(CALL_SIZE)
        if kind not in _FIELDS:
            self._answer.repaired(_LEFT_OUT)
            return None
        begun = {"type": kind} | {field: self._text(place, field, block.get(field)) for field in _FIELDS[kind]}
        whole = begun | self._call(block) if kind == "tool_use" else begun
        return {"type": "content_block_start", "index": place, "content_block": whole}

    def _call(self, block: dict[str, Any]) -> dict[str, Any]:
        name = text_or_none(block.get("name"), "a tool's name")
        if not name:
            raise ModelUnavailable(f"the model endpoint sent a tool call without a name: {excerpt(repr(block))}")
        given = plain(block.get("input")) if isinstance(block.get("input"), dict) else {}
        self._size.add(len(json.dumps(given)))
        made = self._answer.unique_id(joined(text_or_none(block.get("id"), "a tool call's id") or ""))
        return {"id": made, "name": joined(name), "input": given}

    def _delta(self, index: int, delta: object) -> dict[str, Any] | None:
        if not isinstance(delta, dict):
            raise ModelUnavailable(f"the model endpoint sent a delta that is none: {excerpt(repr(delta))}")
        place = self._places.get(index)
        kind, said = "no block" if place is None else self._kinds[place], str(delta.get("type"))
        field = next((field for field, by in _FIELDS.get(kind, {}).items() if by == said), None)
        if field is None or place is None:
            if said in _DELTAS and kind in ("no block", *_FIELDS):
                raise ModelUnavailable(f"the model endpoint sent a {said} for {kind}")
            return None
        text = self._text(place, field, delta.get(field))
        return {"type": "content_block_delta", "index": place, "delta": {field: text}}

    def _text(self, place: int, field: str, value: object) -> str:
        text = text_or_none(value, f"a {field}") or ""
        self._size.add(len(text))
        return self._halves.whole((place, field), text)

    def _ended(self, data: dict[str, Any]) -> dict[str, Any]:
        delta = data.get("delta")
        said = delta if isinstance(delta, dict) else {}
        reason = text_or_none(said.get("stop_reason"), "a stop_reason") or ""
        if is_failure(reason):
            raise ModelUnavailable(f"the model stopped with stop_reason {reason}")
        self._answer.cut = cut_by(reason) or (PAUSE if reason == PAUSE else self._answer.cut)
        refusal = _refusal(said.get("stop_details")) if reason == "refusal" else ""
        return {"type": "message_delta", "refusal": refusal, "usage": _usage(data.get("usage"))}


def _refusal(details: object) -> str:
    """Return why the model refused, as the endpoint says it."""
    told = [details.get("explanation"), details.get("category")] if isinstance(details, dict) else []
    return next((joined(text) for text in told if isinstance(text, str) and text.strip()), REFUSED)


def _usage(usage: object) -> dict[str, int]:
    told = usage if isinstance(usage, dict) else {}
    details = told.get("output_tokens_details")
    thought = count(details.get("thinking_tokens")) if isinstance(details, dict) else 0
    return {**{name: count(told.get(name)) for name in COUNTS}, "thinking_tokens": thought}
