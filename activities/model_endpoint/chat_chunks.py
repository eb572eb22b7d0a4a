"""The chunks of a streamed chat completion, made what the API says they are. What cannot be understood is refused."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from activities.model_endpoint.answer import Answer
from activities.model_endpoint.answer_size import CALL_SIZE, AnswerSize
from activities.model_endpoint.finish_reasons import cut_by, is_failure
from activities.model_endpoint.foreign_json import Halves, count, excerpt, joined, plain, text_or_none
from activities.model_endpoint.provider_errors import ProviderError
from activities.model_endpoint.token_counts import TokenCounts, of_completion
from grammar.errors import ModelUnavailable

_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")
# What some providers want back with a call: signatures of thoughts.
_SENT_BACK = ("extra_content", "provider_specific_fields")


@dataclass
class _Call:
    """A tool call in the making. `given`: the endpoint's id of it. `arguments`: the JSON text so far."""

    index: int
    id: str
    given: str
    name: str = ""
    arguments: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether its arguments are a JSON value: what follows belongs to another call."""
        try:
            json.loads(self.arguments)
        except ValueError:
            return False
        return True


class ChatChunks:
    """Clean the chunks of one answer, one after the other."""

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._halves = Halves()
        self._slots: dict[object, _Call] = {}
        self._calls: list[_Call] = []
        self._finished = False
        self._unknown = ""
        self._size = AnswerSize()
        self._counts = TokenCounts()

    def clean(self, name: str, data: dict[str, Any]) -> dict[str, Any]:
        """Return the chunk as the API has it. Raises TaskError for an error, and for what cannot be understood."""
        choices = data.get("choices")
        choice = choices[0] if isinstance(choices, list) and choices else None
        if error := _error(name, data):
            raise error
        if choices and not isinstance(choice, dict):
            raise ModelUnavailable(f"the model endpoint sent choices that are none: {excerpt(repr(choices))}")
        if choice is None and not data.get("usage"):
            self._unknown = excerpt(json.dumps(data))
        return {
            "id": joined(str(data.get("id") or "chat")),
            "object": "chat.completion.chunk",
            "created": count(data.get("created")),
            "model": joined(str(data.get("model") or "")),
            "choices": [self._choice(choice)] if choice else [],
            "usage": self._usage(data.get("usage")),
        }

    def end(self) -> None:
        """Raise ModelUnavailable where the answer has not come to its end."""
        if not self._finished:
            told = f"; it sent: {self._unknown}" if self._unknown else ""
            raise ModelUnavailable(f"the model's answer ended in its middle: there is no finish_reason{told}")
        if nameless := [call for call in self._calls if not call.name]:
            raise ModelUnavailable(
                f"the model endpoint sent a tool call without a name: {excerpt(nameless[0].arguments)}"
            )

    def _choice(self, choice: dict[str, Any]) -> dict[str, Any]:
        delta = choice.get("delta")
        if delta is not None and not isinstance(delta, dict):
            raise ModelUnavailable(f"the model endpoint sent a delta of type {type(delta).__name__}")
        cleaned = self._delta(delta or {})
        return {"index": 0, "delta": cleaned, "finish_reason": self._finish(choice.get("finish_reason"))}

    def _finish(self, reason: object) -> str | None:
        said = text_or_none(reason, "a finish_reason")
        if not said:
            return None
        if is_failure(said):
            raise ModelUnavailable(f"the model stopped with finish_reason {said}")
        self._finished = True
        self._answer.cut = cut_by(said) or self._answer.cut
        # What is cut is ours to tell: the SDK would call it a misbehaviour.
        return "tool_calls" if self._calls else "stop"

    def _delta(self, delta: dict[str, Any]) -> dict[str, Any]:
        cleaned: dict[str, Any] = {"role": "assistant"}
        for name in _TEXTS:
            text = self._text(name, delta.get(name))
            if text is not None:
                self._size.add(len(text))
                cleaned[name] = self._halves.whole(name, text)
        calls = delta.get("tool_calls")
        if calls:
            cleaned["tool_calls"] = list(self._call_deltas(calls))
        return cleaned

    def _text(self, name: str, value: object) -> str | None:
        if isinstance(value, list):  # parts, as some servers have them
            self._answer.repaired(f"{name} as a list of parts")
            return "".join(str(part.get("text") or "") if isinstance(part, dict) else str(part) for part in value)
        if isinstance(value, bool | int | float):
            self._answer.repaired(f"{name} as a number")
            return json.dumps(value)
        return text_or_none(value, name)

    def _call_deltas(self, calls: object) -> Iterator[dict[str, Any]]:
        for delta in calls if isinstance(calls, list) else [calls]:
            function = delta.get("function") if isinstance(delta, dict) else None
            if not isinstance(delta, dict) or not isinstance(function, dict | None):
                raise ModelUnavailable(f"the model endpoint sent a tool call that is none: {excerpt(repr(delta))}")
            yield self._call_delta(delta, function or {})

    def _call_delta(self, delta: dict[str, Any], function: dict[str, Any]) -> dict[str, Any]:
        name = text_or_none(function.get("name"), "a tool's name") or ""
        self._size.add(CALL_SIZE if name else 0)
        given = joined(str(delta.get("id") or ""))
        call, is_new = self._call(delta.get("index"), given, name)
        arguments = self._halves.whole(call.index, _arguments(function.get("arguments")))
        self._size.add(len(arguments))
        call.arguments += arguments
        said: dict[str, Any] = {"arguments": arguments}
        if name and not call.name:
            call.name = said["name"] = self._halves.whole(("name", call.index), name)
        cleaned = {"index": call.index, "type": "function", "function": said}
        if is_new:
            cleaned["id"] = call.id
        return cleaned | {key: plain(delta[key]) for key in _SENT_BACK if isinstance(delta.get(key), dict)}

    def _call(self, index: object, given: str, name: str) -> tuple[_Call, bool]:
        """Return the call that a delta is of, and whether it begins with it. Some servers give all calls one index."""
        slot = index if isinstance(index, int) and not isinstance(index, bool) else None
        call = self._slots.get(slot)
        if call and not _begins(call, given, name):
            return call, False
        if call:
            self._answer.repaired("several tool calls under one index")
        made = _Call(len(self._calls), self._answer.unique_id(given), given)
        self._calls.append(made)
        self._slots[slot] = made
        return made, True

    def _usage(self, usage: object) -> dict[str, Any] | None:
        if not isinstance(usage, dict):
            return None
        counts = of_completion(usage)
        self._counts = counts if any(counts) else self._counts  # the last of a stream has them all
        return self._counts.as_completion_usage()


def _begins(call: _Call, given: str, name: str) -> bool:
    """Whether a delta under the index of that call begins another one."""
    if not name or not call.name:
        return False
    if given and call.given:
        return given != call.given
    return call.is_whole


def _arguments(value: object) -> str:
    if isinstance(value, dict):  # whole, as some servers have it
        return json.dumps(value)
    return text_or_none(value, "a tool call's arguments") or ""


def _error(name: str, data: dict[str, Any]) -> Exception | None:
    """Return the error that an event is; None for a chunk."""
    is_error = bool(data.get("error")) or "error" in (name, data.get("object"), data.get("type"))
    if is_error or ("choices" not in data and data.get("detail")):
        return ProviderError.of(data).raised()
    return None
