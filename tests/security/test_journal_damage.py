"""A journal that was damaged is read as far as it goes. It is no bug, and nothing harmful is done twice unasked."""

import json
from typing import Any

import pytest
from agents import UserError
from mcp.types import CallToolResult, TextContent
from openai.types.responses import Response

from activities.process.secrets import Secrets
from activities.storage.journal import SKIPPED, Journal
from activities.storage.journal_heartbeat import HeartbeatJournal
from grammar.errors import ToolboxFailed
from tests.activities.conftest import KEY

OK = CallToolResult(content=[TextContent(type="text", text="ok")])


def response(*tools: str, text: str = "") -> Response:
    """An answer that calls these tools, or says a text."""
    calls = [
        {"type": "function_call", "call_id": f"c{n}", "name": tool, "arguments": "{}"} for n, tool in enumerate(tools)
    ]
    part = {"type": "output_text", "text": text, "annotations": []}
    said = {"type": "message", "id": "m", "role": "assistant", "status": "completed", "content": [part]}
    return Response.model_validate({
        "id": "r", "created_at": 0, "model": "m", "object": "response", "tool_choice": "none", "tools": [],
        "parallel_tool_calls": False, "output": calls or [said],
    })  # fmt: skip


async def opened(store: HeartbeatJournal, outcomes: dict[int, bool] | None = None) -> Journal:
    journal = Journal(store, "k", Secrets([], KEY), outcomes)
    await journal.open()
    return journal


async def make() -> CallToolResult:
    return OK


async def two_turns() -> list[str]:
    """The lines of an attempt that was killed: two answers, each with a call, which has its result."""
    store = HeartbeatJournal([])
    journal = await opened(store)
    for tool in ("first", "second"):
        assert journal.next_response() is None
        await journal.record_response(response(tool))
        await journal.call(tool, {}, True, make)
    return store.lines


GARBAGE = ["", "{", "[]", "1", '"x"', "null", "\ufffd\x00", '{"by": {}}', '{"answer": 0}', "[" * 100_000]


@pytest.mark.parametrize("line", GARBAGE, ids=range(len(GARBAGE)))
async def test_a_line_that_is_none(line: str) -> None:
    lines = await two_turns()
    for place in range(len(lines) + 1):
        journal = await opened(HeartbeatJournal([*lines[:place], line, *lines[place:]]))
        assert journal.turns == 2


def wrong(value: Any) -> Any:
    """Something of another type."""
    return {} if isinstance(value, int | str) else 5


@pytest.mark.parametrize("field", ["by", "answer", "response", "call", "tool", "arguments", "result", "content"])
async def test_a_field_of_another_type(field: str) -> None:
    lines = [json.loads(line) for line in await two_turns()]
    changed = [{**line, field: wrong(line[field])} if field in line else line for line in lines]
    journal = await opened(HeartbeatJournal([*map(json.dumps, changed)]))
    while journal.next_response():
        pass
    await journal.record_response(response(text="done"))


def without(lines: list[str], field: str) -> list[str]:
    """The lines without the first that has the field."""
    place = next(place for place, line in enumerate(lines) if field in json.loads(line))
    return [*lines[:place], *lines[place + 1 :]]


async def test_answers_after_a_lost_one_do_not_count() -> None:
    store = HeartbeatJournal(without(await two_turns(), "answer"))
    journal = await opened(store)
    assert journal.next_response() is None
    await journal.record_response(response("another"))
    assert journal.next_response() is None
    assert await journal.call("another", {}, False, make) == OK
    later = await opened(store)
    assert [bool(later.next_response()), bool(later.next_response())] == [True, False]
    assert await later.call("another", {}, False, make) == OK


async def test_a_harmful_call_after_a_lost_answer_is_asked_about() -> None:
    store = HeartbeatJournal(without(await two_turns(), "answer"))
    journal = await opened(store)
    journal.next_response()
    await journal.record_response(response("second"))
    with pytest.raises(ToolboxFailed, match="had any effect is not known"):
        await journal.call("second", {}, True, make)
    assert journal.unknown
    decided = await opened(store, {0: False})
    decided.next_response()
    with pytest.raises(UserError, match=SKIPPED[:30]):
        await decided.call("second", {}, True, make)


async def test_a_harmful_call_whose_line_is_lost_is_asked_about() -> None:
    journal = await opened(HeartbeatJournal(without(await two_turns(), "call")))
    assert journal.next_response()
    with pytest.raises(ToolboxFailed, match="had any effect is not known"):
        await journal.call("first", {}, True, make)


async def test_nobody_is_asked_about_a_whole_one() -> None:
    journal = await opened(HeartbeatJournal(await two_turns()))
    for tool in ("first", "second"):
        assert journal.next_response()
        assert (await journal.call(tool, {}, True, make)).content == OK.content
    assert journal.next_response() is None
