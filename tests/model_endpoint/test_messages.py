"""What endpoints of the Messages API send, and what is made of it."""

import json
from typing import Any

import pytest

from grammar.errors import ModelUnavailable, RateLimited
from tests.model_endpoint.asking import ask, block_events, sent, spoken
from tests.model_endpoint.test_answers import failed

THOUGHT = {"type": "thinking", "thinking": "Ports?", "signature": "EqQBCgIYAh=="}
REDACTED = {"type": "redacted_thinking", "data": "EvAFCoYB=="}
TEXT = {"type": "text", "text": "Ports 22, 80, 4"}
CALL = {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {}, "partial_json": '{"x": 1}'}
WHOLE = spoken(THOUGHT, REDACTED, TEXT, CALL, stop="tool_use")


@pytest.mark.parametrize("size", [1, 7, 1000])
async def test_a_whole_message(size: int) -> None:
    received = await ask(sent(*WHOLE, done=False), "messages", size=size)
    assert (received.text, received.calls) == ("Ports 22, 80, 4", [("toolu_1", "f", '{"x": 1}')])
    assert [item.type for item in received.response.output] == ["reasoning", "reasoning", "message", "function_call"]
    assert (received.answer.cut, received.answer.repairs) == ("", [])


def changed(at: int, **fields: Any) -> list[dict[str, Any]]:
    """The whole message, with an event changed."""
    return [event | fields if index == at else event for index, event in enumerate(WHOLE)]


NOT_WHOLE = {
    "no message_stop": (WHOLE[:-1], "no message_stop"),
    "nothing at all": ([], "no message_stop"),
    "no message_start": (WHOLE[1:], "before message_start"),
    "an error in the middle": (
        [*WHOLE[:5], {"type": "error", "error": {"type": "api_error", "message": "Internal server error"}}],
        "Internal server error",
    ),
    "a block that is none": (changed(1, content_block="x"), "a block that is none"),
    "a nameless call": (spoken(CALL | {"name": None}), "without a name"),
    "a delta that is none": (changed(2, delta=[]), "a delta that is none"),
    "a delta of another kind": (changed(2, delta={"type": "text_delta", "text": "x"}), "a text_delta for thinking"),
    "a delta for no block": (changed(2, index=9), "a thinking_delta for no block"),
    "a text that is none": (changed(2, delta={"type": "thinking_delta", "thinking": 1}), "a thinking of type int"),
    "a failure": (spoken(TEXT, stop="error"), "stop_reason error"),
}


@pytest.mark.parametrize(("events", "words"), NOT_WHOLE.values(), ids=NOT_WHOLE)
async def test_what_is_no_whole_message_is_unavailable(events: list[dict[str, Any]], words: str) -> None:
    error = await failed(sent(*events, done=False), "messages")
    assert type(error) is ModelUnavailable
    assert words in str(error)


async def test_a_rate_limit_in_the_stream_is_one() -> None:
    limit = {"type": "error", "error": {"type": "rate_limit_error", "message": "slow down"}}
    assert type(await failed(sent(*WHOLE[:3], limit, done=False), "messages")) is RateLimited


ODD = {
    "pings, and what there may be one day": [WHOLE[0], {"type": "ping"}, {"type": "message_mood"}, *WHOLE[1:]],
    "a second start, and more after the end": [WHOLE[0], *WHOLE, *WHOLE],
    "a call that comes whole": spoken(TEXT, {**CALL, "input": {"x": 1}, "partial_json": ""}),
    "texts that begin with their block": [
        event | {"content_block": TEXT} if event.get("content_block", {}).get("type") == "text" else event
        for event in WHOLE
        if event.get("delta", {}).get("type") != "text_delta"
    ],
}


@pytest.mark.parametrize("events", ODD.values(), ids=ODD)
async def test_what_is_odd_and_whole(events: list[dict[str, Any]]) -> None:
    received = await ask(sent(*events, done=False), "messages")
    assert (received.text, received.calls) == ("Ports 22, 80, 4", [("toolu_1", "f", '{"x": 1}')])
    assert received.answer.repairs == []


async def test_blocks_of_one_index_and_of_unknown_kinds() -> None:
    events = [*block_events(0, {"type": "moving_picture", "url": "x"}), *block_events(0, TEXT), *block_events(0, CALL)]
    received = await ask(sent(WHOLE[0], *events, *WHOLE[-2:], done=False), "messages", taken=["toolu_1"])
    assert (received.text, received.calls) == ("Ports 22, 80, 4", [("toolu_1_2", "f", '{"x": 1}')])
    assert received.answer.repairs == [
        "blocks that are no text, thought or tool call",
        "several blocks under one index",
        "ids of tool calls that were empty or used before",
    ]


@pytest.mark.parametrize(
    ("reason", "cut"),
    [
        ("end_turn", ""),
        ("stop_sequence", ""),
        ("max_tokens", "max_tokens"),
        ("model_context_window_exceeded", "max_tokens"),
        ("pause_turn", "pause_turn"),
    ],
)
async def test_why_a_model_stopped(reason: str, cut: str) -> None:
    received = await ask(sent(*spoken(TEXT, stop=reason), done=False), "messages")
    assert (received.text, received.answer.cut) == ("Ports 22, 80, 4", cut)


@pytest.mark.parametrize(
    ("details", "words"),
    [
        ({"type": "refusal", "category": "cyber", "explanation": "It is an exploit."}, "It is an exploit."),
        ({"type": "refusal", "category": "cyber", "explanation": None}, "cyber"),
        (None, "it stopped, and gave no reason"),
    ],
)
async def test_a_refusal_has_the_endpoints_words(details: Any, words: str) -> None:
    received = await ask(sent(*spoken(TEXT, stop="refusal", stop_details=details), done=False), "messages")
    (message,) = received.response.output
    assert message.type == "message"
    assert message.content[1].model_dump() == {"type": "refusal", "refusal": words}


USAGES = [
    # input, read and written at the start; output, and what the end says anew -> input, read, written, output, thought
    ({"input_tokens": 50, "cache_read_input_tokens": 900, "cache_creation_input_tokens": 50}, {"output_tokens": 5},
     (1000, 900, 50, 5, 0)),
    ({"input_tokens": 7, "cache_read_input_tokens": None}, {"output_tokens": 5}, (7, 0, 0, 5, 0)),
    ({}, {"input_tokens": 9, "output_tokens": 5, "output_tokens_details": {"thinking_tokens": 3}}, (9, 0, 0, 5, 3)),
    (None, None, (0, 0, 0, 0, 0)),
]  # fmt: skip


@pytest.mark.parametrize(("begun", "ended", "counts"), USAGES)
async def test_usage_is_counted_as_elsewhere(begun: Any, ended: Any, counts: tuple[int, ...]) -> None:
    first, *events, last, stop = json.loads(json.dumps(spoken(TEXT)))
    first["message"]["usage"], last["usage"] = begun, ended
    usage = (await ask(sent(first, *events, last, stop, done=False), "messages")).response.usage
    assert usage
    given, made = usage.input_tokens_details, usage.output_tokens_details
    told = (usage.input_tokens, given.cached_tokens, given.cache_write_tokens)
    assert (*told, usage.output_tokens, made.reasoning_tokens) == counts
    assert usage.total_tokens == usage.input_tokens + usage.output_tokens
