"""A conversation as the agents SDK keeps it, in items of the Responses API, as messages of blocks. Pure.

A thought is a reasoning item: its id says that it is one of this API, and which kind of block it was; what is encrypted
of it is the block's signature, or, of a redacted thought, all there is. It goes back as it came, or the API refuses it.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from activities.toolboxes.result_parts import text_of

Block = dict[str, Any]

THINKING = "thinking_"
REDACTED = "redacted_thinking_"
_MEDIA = ("image/jpeg", "image/png", "image/gif", "image/webp")
_DATA_URL = re.compile(r"data:([^;,]+);base64,(.*)", re.DOTALL)


def messages(given: str | list[Any]) -> list[dict[str, Any]]:
    """Return the conversation as messages that user and assistant take turns in. `given`: a prompt, or items."""
    told: list[dict[str, Any]] = []
    for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
        role, blocks = _role(item), list(_blocks(item))
        if told and told[-1]["role"] == role:
            told[-1]["content"] += blocks
        elif blocks:
            told.append({"role": role, "content": blocks})
    return told


def _role(item: Mapping[str, Any]) -> str:
    by_model = item.get("role") == "assistant" or item.get("type") in ("function_call", "reasoning")
    return "assistant" if by_model else "user"


def _blocks(item: Mapping[str, Any]) -> Iterator[Block]:
    match item.get("type"):
        case "reasoning":
            yield from _thought(item)
        case "function_call":
            made = {"id": _id(item["call_id"]), "name": item["name"], "input": _object(item["arguments"])}
            yield {"type": "tool_use", **made}
        case "function_call_output":
            content = list(_content(item["output"]))
            result = {"type": "tool_result", "tool_use_id": _id(item["call_id"])}
            yield {**result, "content": content} if content else result
        case _:
            yield from _content(item.get("content") or "")


def _thought(item: Mapping[str, Any]) -> Iterator[Block]:
    """Yield the block; none for a thought that another API's model has had: it means nothing here."""
    kind, kept = str(item.get("id") or ""), item.get("encrypted_content") or ""
    if kind.startswith(REDACTED):
        yield {"type": "redacted_thinking", "data": kept}
    elif kind.startswith(THINKING):
        thought = "".join(part["text"] for part in item.get("content") or ())
        yield {"type": "thinking", "thinking": thought, "signature": kept}


def _content(content: str | list[Any]) -> Iterator[Block]:
    """Yield the parts of a message or a result; the API refuses a text that is empty."""
    for part in [{"text": content}] if isinstance(content, str) else content:
        if block := _image(part):
            yield block
        elif text := text_of(part):
            yield {"type": "text", "text": text}


def _image(part: Mapping[str, Any]) -> Block | None:
    """Return the block of an image; None for what is none, or is of a kind that the API does not take."""
    url = part.get("image_url")
    if not isinstance(url, str):
        return None
    found = _DATA_URL.fullmatch(url)
    if found is None:
        return {"type": "image", "source": {"type": "url", "url": url}}
    media, data = found.groups()
    return (
        {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}} if media in _MEDIA else None
    )


def _id(call: str) -> str:
    """Return the id of a call in letters that the API takes: it may be that of another API's model."""
    return re.sub(r"[^A-Za-z0-9_-]", "_", call)


def _object(arguments: str) -> dict[str, Any]:
    """Return the arguments of a call; none where they were cut off, or are no object: the API has no others."""
    try:
        found = json.loads(arguments)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
