"""Thousands of streams that are nearly right: each is understood, or is a TaskError; nothing else ever comes of one."""

import asyncio
import json
import os
from typing import Any

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from grammar.errors import TaskError
from tests.model_endpoint.asking import USAGE, ask, call, chunk, message, response, sent, spoken

EXAMPLES = 20_000 if os.environ.get("FUZZ") else 2_000
TALK: list[dict[str, Any]] = [
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "Ports 22, \u00e9 80, \U0001f600"}),
    chunk({"reasoning_content": "well", "refusal": None}),
    chunk({}, "stop"),
    USAGE,
]
CALLS: list[dict[str, Any]] = [
    chunk({"role": "assistant", "content": None}),
    call(0, "call_1", "f", '{"x":'),
    call(0, None, None, ' "1"}'),
    call(1, "call_2", "g", "{}"),
    chunk({}, "tool_calls"),
    USAGE,
]
FUNCTION = {
    "id": "fc",
    "type": "function_call",
    "call_id": "c",
    "name": "f",
    "arguments": '{"x": 1}',
    "status": "completed",
}
THOUGHT = {"id": "rs", "type": "reasoning", "summary": [{"type": "summary_text", "text": "well"}]}
ITEMS = [THOUGHT, message("Ports 22"), FUNCTION]
EVENTS: list[dict[str, Any]] = [
    {"type": "response.created", "response": response(status="in_progress")},
    {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "item_id": "msg", "delta": "Ports"},
    *({"type": "response.output_item.done", "output_index": index, "item": item} for index, item in enumerate(ITEMS)),
    {"type": "response.completed", "response": response(*ITEMS)},
]
BLOCKS: list[dict[str, Any]] = spoken(
    {"type": "thinking", "thinking": "well", "signature": "EqQB=="},
    {"type": "redacted_thinking", "data": "EvAF=="},
    {"type": "text", "text": "Ports 22, \u00e9 80, \U0001f600"},
    {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "partial_json": '{"x": "1"}'},
    stop="tool_use",
)
STREAMS: list[tuple[str, list[dict[str, Any]]]] = [
    ("chat", TALK),
    ("chat", CALLS),
    ("responses", EVENTS),
    ("messages", BLOCKS),
]

ODD: st.SearchStrategy[Any] = st.sampled_from([
    None, True, False, 0, -1, 1.5, 10**30, float("inf"), float("nan"), "", "x", "\ud83d", "\ude00", "\0",
    "error", "length",
    [], {}, [None], [{}], {"x": 1}, [[]], "a" * 1000, {"error": {"message": "gone"}}, {"type": "refusal", "refusal": 1},
])  # fmt: skip
BYTES = st.sampled_from(
    [b"", b"\n", b"\n\n", b"\r", b"\xff", b"\x00", b"data:", b"event: x\n", b"{", b"}", b'"', b"\\ud83d", b"["]
)


def paths(value: object, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Where something stands in a JSON value."""
    inner = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [at, *(path for key, part in inner for path in paths(part, (*at, key)))]


@st.composite
def streams(draw: st.DrawFn) -> tuple[str, bytes]:
    """A stream, with some of its values, its events and its bytes changed."""
    api, events = draw(st.sampled_from(STREAMS))
    changed: list[Any] = json.loads(json.dumps(events))
    for _ in range(draw(st.integers(0, 3))):
        *to, last = draw(st.sampled_from(paths(changed)[1:]))
        part = changed
        for key in to:
            part = part[key]
        if isinstance(part, dict) and draw(st.booleans()):
            del part[last]
        else:
            part[last] = json.loads(json.dumps(draw(ODD)))
        if not changed:
            break
    if draw(st.booleans()):
        changed = (
            draw(st.permutations(changed)) if draw(st.booleans()) else changed[: draw(st.integers(0, len(changed)))]
        )
    content = b"".join(
        sent(event if isinstance(event, dict | str) else json.dumps(event), done=False) for event in changed
    )
    content += b"data: [DONE]\n\n" * draw(st.integers(0, 2))
    for _ in range(draw(st.integers(0, 2))):
        at = draw(st.integers(0, len(content)))
        content = content[:at] + draw(BYTES) + content[at + draw(st.integers(0, 5)) :]
    return api, content


@settings(
    max_examples=EXAMPLES,
    deadline=None,
    suppress_health_check=list(HealthCheck),
    database=None,
    derandomize=not os.environ.get("FUZZ"),
)
@given(streams(), st.integers(1, 200))
def test_nothing_foreign_is_a_fault_of_ours(stream: tuple[str, bytes], size: int) -> None:
    api, content = stream
    asyncio.run(understood(content, api, size))


async def understood(content: bytes, api: str, size: int) -> None:
    """What comes of it fits into the history; what is raised is a TaskError, or the client's of a lost connection."""
    try:
        received = await ask(content, api, size=size)
    except Exception as error:
        assert any(isinstance(one, TaskError | openai.APIConnectionError) for one in chain(error)), content
        str(chain(error)[-1]).encode()
        return
    told = received.response.model_dump(mode="json", exclude_unset=True)
    read_back = type(received.response).construct(**json.loads(json.dumps(told)))
    assert read_back.output_text == received.text
    json.dumps(told, ensure_ascii=False).encode()
    ids = [call_id for call_id, _, _ in received.calls]
    assert all(ids)
    assert len(set(ids)) == len(ids)


def chain(error: BaseException | None) -> list[BaseException]:
    """The error with what it came of."""
    found = []
    while error:
        found.append(error)
        error = error.__cause__
    return found


@pytest.mark.parametrize(("api", "events"), STREAMS)
async def test_the_streams_themselves_are_right(api: str, events: list[dict[str, Any]]) -> None:
    received = await ask(sent(*events), api)
    assert received.answer.repairs == []
    assert received.text or received.calls
