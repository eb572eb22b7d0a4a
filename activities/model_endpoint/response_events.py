"""The events of a streamed response (Responses API), made what the API says they are.

Only those go on that a run reads: the answer's text as it comes, each item, and the whole response at its end.
"""

import json
from collections.abc import Iterator
from functools import cache
from typing import Any

from openai.types.responses import ResponseOutputItem
from pydantic import TypeAdapter, ValidationError

from activities.model_endpoint.answer import Answer
from activities.model_endpoint.finish_reasons import cut_by
from activities.model_endpoint.foreign_json import Halves, count, excerpt, joined, plain, text_or_none
from activities.model_endpoint.provider_errors import ProviderError
from activities.model_endpoint.token_counts import of_response
from grammar.errors import ModelUnavailable

_ENDS = ("response.completed", "response.incomplete")
_ITEMS = ("response.output_item.added", "response.output_item.done")


class ResponseEvents:
    """Clean the events of one answer, one after the other."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._halves = Halves()
        self._ids: dict[object, str] = {}
        self._done: dict[int, dict[str, Any]] = {}
        self._finished = False

    def clean(self, name: str, data: dict[str, Any]) -> dict[str, Any] | None:
        """Return the event as the API has it; None for one that a run does not read. Raises TaskError for an error."""
        if self._finished:
            return None
        kind = str(data.get("type") or name)
        if kind in ("error", "response.failed") or (data.get("error") and not kind.startswith("response.")):
            raise _failure(data)
        if kind in _ENDS:
            self._finished = True
            return {"type": "response.completed", "sequence_number": 0, "response": self._ended(data)}
        if kind == "response.created":
            return {"type": kind, "sequence_number": 0, "response": _response(data.get("response"), [], None)}
        if kind in _ITEMS:
            return self._item_event(kind, data)
        return self._delta(data) if kind == "response.output_text.delta" else None

    def end(self) -> None:
        """Raise ModelUnavailable where the answer has not come to its end."""
        if not self._finished:
            raise ModelUnavailable("the model's answer ended in its middle: there is no response.completed")

    def _delta(self, data: dict[str, Any]) -> dict[str, Any]:
        place = (data.get("output_index"), data.get("content_index"))
        return {
            "type": "response.output_text.delta",
            "sequence_number": 0,
            "item_id": joined(str(data.get("item_id") or "")),
            "output_index": count(data.get("output_index")),
            "content_index": count(data.get("content_index")),
            "delta": self._halves.whole(repr(place), text_or_none(data.get("delta"), "a delta") or ""),
            "logprobs": [],
        }

    def _item_event(self, kind: str, data: dict[str, Any]) -> dict[str, Any]:
        index = count(data.get("output_index"))
        item = self._item(data.get("item"), index)
        if kind.endswith("done"):
            self._done[index] = item
        return {"type": kind, "sequence_number": 0, "output_index": index, "item": item}

    def _ended(self, data: dict[str, Any]) -> dict[str, Any]:
        whole = data.get("response")
        if not isinstance(whole, dict):
            raise ModelUnavailable("the model endpoint sent no response at the answer's end")
        output = whole.get("output")
        items = [self._item(item, index) for index, item in enumerate(output if isinstance(output, list) else ())]
        details = whole.get("incomplete_details")
        if data.get("type") == "response.incomplete" or whole.get("status") == "incomplete":
            reason = details.get("reason") if isinstance(details, dict) else None
            self._answer.cut = cut_by(str(reason)) or str(reason or "incomplete")
        # Some servers tell the items as they come, and none at the end.
        told = [item for _, item in sorted(self._done.items())]
        return _response(whole, items or told, whole.get("usage"))

    def _item(self, item: object, index: int) -> dict[str, Any]:
        kind = item.get("type") if isinstance(item, dict) else None
        if not isinstance(item, dict) or not isinstance(kind, str):
            raise ModelUnavailable(f"the model endpoint sent an item that is none: {excerpt(repr(item))}")
        if kind == "function_call":
            return self._call(item, index)
        if kind == "message":
            return _message(item)
        return _reasoning(item) if kind == "reasoning" else _of_another_kind(item)

    def _call(self, item: dict[str, Any], index: int) -> dict[str, Any]:
        name = text_or_none(item.get("name"), "a tool's name")
        if not name:
            raise ModelUnavailable(f"the model endpoint sent a tool call without a name: {excerpt(repr(item))}")
        arguments = item.get("arguments")
        said = json.dumps(arguments) if isinstance(arguments, dict) else text_or_none(arguments, "a call's arguments")
        if index not in self._ids:
            self._ids[index] = self._answer.unique_id(joined(str(item.get("call_id") or "")))
        kept = {"id": joined(str(item["id"]))} if item.get("id") else {}
        ours = {"type": "function_call", "call_id": self._ids[index], "name": joined(name), "status": "completed"}
        return {**kept, **ours, "arguments": joined(said or "")}


def _of_another_kind(item: dict[str, Any]) -> dict[str, Any]:
    """Return an item of the provider's own tools, where it is as the SDK's types have it. Raises ModelUnavailable."""
    cleaned: dict[str, Any] = plain(item)
    try:
        _kinds().validate_python(cleaned)
    except ValidationError:
        raise ModelUnavailable(f"the model endpoint sent an item of no known kind: {excerpt(repr(item))}") from None
    return cleaned


@cache
def _kinds() -> TypeAdapter[ResponseOutputItem]:
    return TypeAdapter(ResponseOutputItem)


def _failure(data: dict[str, Any]) -> Exception:
    whole = data.get("response")
    told = whole.get("error") if isinstance(whole, dict) else None
    return ProviderError.of(told or data).raised()


def _message(item: dict[str, Any]) -> dict[str, Any]:
    content = item.get("content")
    if isinstance(content, str):
        content = [{"type": "output_text", "text": content}]
    if not isinstance(content, list | None):
        raise ModelUnavailable(f"the model endpoint sent a message that is none: {excerpt(repr(item))}")
    return {
        "id": joined(str(item.get("id") or "message")),
        "type": "message",
        "role": "assistant",
        "status": "completed",
        "content": list(_parts(content or [])),
    }


def _parts(content: list[object]) -> Iterator[dict[str, Any]]:
    for part in content:
        if not isinstance(part, dict):
            raise ModelUnavailable(f"the model endpoint sent a part of a message that is none: {excerpt(repr(part))}")
        if part.get("type") == "refusal":
            yield {"type": "refusal", "refusal": joined(text_or_none(part.get("refusal"), "a refusal") or "")}
        else:
            text = joined(text_or_none(part.get("text"), "a text") or "")
            yield {"type": "output_text", "text": text, "annotations": [], "logprobs": []}


def _reasoning(item: dict[str, Any]) -> dict[str, Any]:
    """Return a reasoning item with what is sent back: its id, and what it holds encrypted."""
    kept: dict[str, Any] = {"id": joined(str(item.get("id") or "reasoning")), "type": "reasoning"}
    parts = item.get("summary")
    kept["summary"] = [
        {"type": "summary_text", "text": joined(str(part.get("text") or ""))}
        for part in (parts if isinstance(parts, list) else ())
        if isinstance(part, dict)
    ]
    content = item.get("content")
    texts = [part for part in (content if isinstance(content, list) else ()) if isinstance(part, dict)]
    if texts:
        kept["content"] = [{"type": "reasoning_text", "text": joined(str(part.get("text") or ""))} for part in texts]
    if isinstance(item.get("encrypted_content"), str):
        kept["encrypted_content"] = joined(item["encrypted_content"])
    return kept


def _response(whole: object, output: list[dict[str, Any]], usage: object) -> dict[str, Any]:
    """Return a response that has all that the SDK's types require, and of the rest nothing."""
    given = whole if isinstance(whole, dict) else {}
    return {
        "id": joined(str(given.get("id") or "response")),
        "object": "response",
        "created_at": float(count(given.get("created_at"))),
        "model": joined(str(given.get("model") or "")),
        "status": "completed" if usage is not None or output else "in_progress",
        "output": output,
        "parallel_tool_calls": False,
        "tool_choice": "auto",
        "tools": [],
        "usage": of_response(usage).as_response_usage() if isinstance(usage, dict) else None,
    }
