"""What endpoints send, and what is made of it."""

import gzip
import json
from typing import Any

import openai
import pytest

from grammar.errors import ModelUnavailable, RateLimited, TaskError
from grammar.limits import Limit
from tests.model_endpoint.asking import USAGE, Received, ask, call, chunk, message, response, sent

HALF = chunk({"content": "Ports 22, 80, 4"})
WHOLE = sent(chunk({"content": "Hi"}), chunk({}, "stop"), USAGE)
LOGIN = b"<!doctype html><html><title>Log in</title></html>"


async def failed(content: bytes, api: str = "chat", **how: Any) -> TaskError:
    """The TaskError in what the SDK raises."""
    with pytest.raises(Exception) as raised:
        await ask(content, api, **how)
    error: BaseException | None = raised.value
    while error and not isinstance(error, TaskError):
        error = error.__cause__
    assert isinstance(error, TaskError), raised.value
    return error


NOT_WHOLE = {
    "no finish_reason": (sent(HALF, done=False), "no finish_reason"),
    "no finish_reason, but [DONE]": (sent(HALF), "no finish_reason"),
    "nothing at all": (b"", "no finish_reason"),
    "a login page": (LOGIN, "Log in"),
    "a whole JSON answer": (json.dumps({"choices": [{"message": {"content": "Hi"}}]}).encode(), "no stream of events"),
    "an error as JSON": (b'{"error": {"message": "no such thing"}}', "no such thing"),
    "an error chunk": (sent(HALF, {"error": {"code": 502, "message": "gone"}, "choices": []}), "gone"),
    "an error event": (sent(HALF, 'event: error\ndata: {"message": "gone"}\n\n'), "gone"),
    "an error as text": (sent(HALF, {"error": "gone"}), "gone"),
    "a detail": (sent(HALF, {"detail": "gone"}), "gone"),
    "finish_reason error": (sent(HALF, chunk({}, "error")), "finish_reason error"),
    "not JSON": (sent(HALF, "data: upstream connect error\n\n"), "upstream connect error"),
    "no object": (sent("data: [1]\n\n"), "no object"),
    "a nameless call": (sent(call(0, "a", None, "{}"), chunk({}, "tool_calls")), "without a name"),
    "a delta that is none": (sent(chunk("x")), "delta"),  # type: ignore[arg-type]
    "choices that are none": (sent({"choices": ["x"]}), "choices"),
}


@pytest.mark.parametrize(("content", "words"), NOT_WHOLE.values(), ids=NOT_WHOLE)
async def test_what_is_no_whole_answer_is_unavailable(content: bytes, words: str) -> None:
    error = await failed(content)
    assert type(error) is ModelUnavailable
    assert words in str(error)


WORDS = {"incomplete_details": {"reason": "max_output_tokens"}, "status": "incomplete"}
FAILED = response(status="failed", error={"code": "server_error", "message": "a hiccup"})
NO_RESPONSE = {
    "no end": (sent({"type": "response.created", "response": response()}, done=False), "no response.completed"),
    "failed": (sent({"type": "response.failed", "response": FAILED}, done=False), "a hiccup"),
    "an error": (sent({"type": "error", "code": "server_error", "message": "gone"}, done=False), "gone"),
    "an end without a response": (sent({"type": "response.completed"}, done=False), "no response"),
}


@pytest.mark.parametrize(("content", "words"), NO_RESPONSE.values(), ids=NO_RESPONSE)
async def test_what_is_no_whole_response_is_unavailable(content: bytes, words: str) -> None:
    error = await failed(content, "responses")
    assert type(error) is ModelUnavailable
    assert words in str(error)


async def test_a_rate_limit_in_the_stream_is_one() -> None:
    error = await failed(sent({"error": {"message": "slow down", "code": 429}}))
    assert type(error) is RateLimited


@pytest.mark.parametrize("size", [1, 3, 1000])
async def test_a_whole_answer(size: int) -> None:
    received = await ask(WHOLE, size=size)
    assert (received.text, received.answer.cut, received.answer.repairs) == ("Hi", "", [])
    assert received.response.usage
    assert received.response.usage.total_tokens == 15


FINE = {
    "retry first": b"retry: 3000\n\n" + WHOLE,
    "an event without data": b"event: ping\n\n" + WHOLE,
    "comments": b": keep-alive\n\n" + WHOLE,
    "a byte order mark": b"\xef\xbb\xbf" + WHOLE,
    "carriage returns": WHOLE.replace(b"\n", b"\r\n"),
    "no last empty line": sent(chunk({"content": "Hi"}), chunk({}, "stop"), done=False).rstrip(b"\n"),
    "parts": sent(chunk({"content": [{"type": "text", "text": "Hi"}]}), chunk({}, "stop")),
    "no choices at first": sent({"choices": [], "prompt_filter_results": []})[:-14] + WHOLE,
    "usage of no kind": sent(
        chunk({"content": "Hi"}), chunk({}, "stop"), {"choices": [], "usage": {"prompt_tokens": "x"}}
    ),
    "null everywhere": sent(chunk({"content": "Hi", "tool_calls": None, "role": None}), chunk(None, "stop"), USAGE),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("content", FINE.values(), ids=FINE)
async def test_what_is_odd_and_whole(content: bytes) -> None:
    assert (await ask(content)).text == "Hi"


async def test_the_type_of_the_content_does_not_matter_where_events_follow() -> None:
    assert (await ask(WHOLE, **{"content-type": "application/octet-stream"})).text == "Hi"


async def test_compressed() -> None:
    assert (await ask(gzip.compress(WHOLE), **{"content-encoding": "gzip"})).text == "Hi"
    assert "decompressed" in str(await failed(WHOLE, **{"content-encoding": "gzip"}))


CUT = {
    "length": "max_tokens",
    "max_tokens": "max_tokens",
    "content_filter": "content_filter",
    "SAFETY": "content_filter",
}


@pytest.mark.parametrize(("reason", "cut"), CUT.items())
async def test_an_answer_that_is_cut(reason: str, cut: str) -> None:
    received = await ask(sent(HALF, chunk({}, reason), USAGE))
    assert (received.text, received.answer.cut) == ("Ports 22, 80, 4", cut)
    assert received.response.usage  # it is paid for


async def test_an_answer_that_is_cut_before_its_first_word() -> None:
    assert (await ask(sent(chunk({}, "length"), USAGE))).answer.cut == "max_tokens"


async def test_a_response_that_is_cut() -> None:
    cut = response(message("Ports 22, 80, 4"), **WORDS)
    received = await ask(sent({"type": "response.incomplete", "response": cut}, done=False), "responses")
    assert (received.text, received.answer.cut) == ("Ports 22, 80, 4", "max_tokens")


def calls(received: Received) -> list[tuple[str, str]]:
    return [(name, arguments) for _, name, arguments in received.calls]


async def test_calls_that_share_an_index() -> None:
    several = [call(0, "a", "f", '{"x": 1}'), call(0, "b", "g", '{"y":'), call(0, None, None, " 2}")]
    received = await ask(sent(*several, chunk({}, "tool_calls")))
    assert calls(received) == [("f", '{"x": 1}'), ("g", '{"y": 2}')]
    assert received.answer.repairs == ["several tool calls under one index"]


async def test_calls_without_ids_and_indices() -> None:
    several = [call(None, None, "f", '{"x": 1}'), call(None, None, "f", '{"x": 2}')]
    received = await ask(sent(*several, chunk({}, "tool_calls")))
    assert calls(received) == [("f", '{"x": 1}'), ("f", '{"x": 2}')]
    assert len({call_id for call_id, _, _ in received.calls}) == 2


async def test_a_name_that_comes_again_and_again_is_one_call() -> None:
    pieces = [call(0, "a", "f", '{"x":'), call(0, "a", "f", " 1"), call(0, "a", "f", "}")]
    assert calls(await ask(sent(*pieces, chunk({}, "tool_calls")))) == [("f", '{"x": 1}')]


async def test_arguments_as_an_object() -> None:
    assert calls(await ask(sent(call(0, "a", "f", {"x": 1}), chunk({}, "stop")))) == [("f", '{"x": 1}')]


async def test_ids_are_unique_in_the_conversation() -> None:
    received = await ask(sent(call(0, "call_0", "f", "{}"), chunk({}, "tool_calls")), taken={"call_0"})
    assert [call_id for call_id, _, _ in received.calls] == ["call_0_2"]
    again = {"type": "function_call", "call_id": "call_0", "name": "f", "arguments": "{}"}
    events: list[dict[str, Any]] = [{"type": "response.output_item.done", "output_index": 0, "item": again},
              {"type": "response.completed", "response": response(again)}]  # fmt: skip
    received = await ask(sent(*events, done=False), "responses", taken={"call_0"})
    assert [call_id for call_id, _, _ in received.calls] == ["call_0_2"]


async def test_items_that_are_told_only_as_they_come() -> None:
    done = {"type": "response.output_item.done", "output_index": 0, "item": message("Hi")}
    received = await ask(sent(done, {"type": "response.completed", "response": response()}, done=False), "responses")
    assert received.text == "Hi"


async def test_a_response_of_a_lenient_server_can_be_read_back_strictly() -> None:
    lean = {"id": "r", "output": [{"type": "message", "content": "Hi"}], "usage": {"input_tokens": 1.0}}
    received = await ask(sent({"type": "response.completed", "response": lean}, done=False), "responses")
    dumped = received.response.model_dump(mode="json", exclude_unset=True)
    assert type(received.response).model_validate(dumped).output_text == "Hi"


@pytest.mark.parametrize(
    ("escaped", "text"), [("\\ud83d|\\ude00", "\U0001f600"), ("\\ud83d| x", "\ufffd x"), ("\\ude00|", "\ufffd")]
)
async def test_halves_of_characters(escaped: str, text: str) -> None:
    chunks = [json.dumps(chunk({"content": "_"})).replace("_", half) for half in escaped.split("|")]
    received = await ask(sent(*(f"data: {one}\n\n" for one in chunks), chunk({}, "stop")))
    assert received.text.replace("\ufffd", "") == text.replace("\ufffd", "")
    received.text.encode()


async def test_bytes_that_are_not_utf8_and_nul() -> None:
    content = sent(chunk({"content": "a~b\0"}), chunk({}, "stop")).replace(b"~", b"\xff")
    assert (await ask(content)).text == "a\ufffdb\0"


async def test_too_much_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("activities.model_endpoint.event_stream.ANSWER", Limit("TASKFLOW_LIMIT_ANSWER", "250", int))
    assert "one event" in str(await failed(b"data: " + b"x" * 2000))
    assert "sent more than" in str(await failed(b": x\n\n" * 2000))


async def test_an_error_is_read_up_to_a_limit() -> None:
    with pytest.raises(openai.InternalServerError):
        await ask(b"x" * 50_000_000, status=500, size=65_536)
