"""Replies of a scripted endpoint as Anthropic's Messages API words them."""

import json
from collections.abc import Iterator

from tests.support.endpoint_replies import Json, RecordedRequest, Reply, call_id, text_of


def message(request: RecordedRequest, rule: Reply) -> Json:
    """Return a whole answer. What was read from the cache and written to it is no part of its input tokens."""
    given, made = rule.usage
    read, written = rule.cached, rule.cache_write
    return {
        "id": "msg_scripted",
        "type": "message",
        "role": "assistant",
        "model": request.body.get("model", "scripted"),
        "content": list(_blocks(request, rule)),
        "stop_reason": rule.stop or ("tool_use" if rule.tool_calls else "end_turn"),
        "stop_sequence": None,
        "usage": {
            "input_tokens": given - read - written,
            "cache_read_input_tokens": read,
            "cache_creation_input_tokens": written,
            "output_tokens": made,
            "output_tokens_details": {"thinking_tokens": rule.reasoning},
        },
    }


def message_events(request: RecordedRequest, rule: Reply) -> Iterator[Json]:
    """Yield a streamed answer."""
    whole = message(request, rule)
    usage = {name: count for name, count in whole["usage"].items() if name != "output_tokens_details"}
    yield {
        "type": "message_start",
        "message": {**whole, "content": [], "stop_reason": None, "usage": usage | {"output_tokens": 1}},
    }
    yield {"type": "ping"}
    for index, block in enumerate(whole["content"]):
        yield from _block_events(index, block)
    ended_usage = {name: whole["usage"][name] for name in ("output_tokens", "output_tokens_details")}
    ended = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": ended, "usage": ended_usage}
    yield {"type": "message_stop"}


def message_error(rule: Reply) -> Json:
    """Return the body of an error."""
    return {"type": "error", "error": {"type": rule.code or "scripted", "message": rule.message}}


def _blocks(request: RecordedRequest, rule: Reply) -> Iterator[Json]:
    if rule.thinking:
        signature = f"signature-{request.turn}/{rule.thinking[:4]}=="
        yield {"type": "thinking", "thinking": rule.thinking, "signature": signature}
        yield {"type": "redacted_thinking", "data": f"redacted-{request.turn}=="}
    if text := text_of(request, rule):
        yield {"type": "text", "text": text}
    for index, call in enumerate(rule.tool_calls):
        yield {"type": "tool_use", "id": call_id(request, index), "name": call.name, "input": call.arguments}


def _block_events(index: int, block: Json) -> Iterator[Json]:
    yield {"type": "content_block_start", "index": index, "content_block": block | _EMPTY.get(block["type"], {})}
    for delta in _deltas(block):
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


_EMPTY: dict[str, Json] = {
    "thinking": {"thinking": "", "signature": ""},
    "text": {"text": ""},
    "tool_use": {"input": {}},
}


def _deltas(block: Json) -> Iterator[Json]:
    match block["type"]:
        case "thinking":
            yield from ({"type": "thinking_delta", "thinking": half} for half in _halves(block["thinking"]))
            yield {"type": "signature_delta", "signature": block["signature"]}
        case "text":
            yield from ({"type": "text_delta", "text": half} for half in _halves(block["text"]))
        case "tool_use":
            yield {"type": "input_json_delta", "partial_json": ""}
            text = json.dumps(block["input"])
            yield from ({"type": "input_json_delta", "partial_json": half} for half in _halves(text))


def _halves(text: str) -> list[str]:
    return [half for half in (text[: len(text) // 2], text[len(text) // 2 :]) if half]
