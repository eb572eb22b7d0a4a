"""`approve` and `reject`: which call is meant."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import cast

import pytest

from commands import call_answers
from commands.call_answers import CallAnswer
from grammar.errors import InvalidFlow, NotWaiting
from grammar.messages.reports import Approval, Rejection
from runtime.runs.runs import Handle


def call(number: int, **changes: object) -> Approval:
    known = {"task": "t", "toolbox": "box", "arguments": "{}", "since": datetime.now(UTC), "tool": f"tool_{number}"}
    return Approval.model_validate({"id": f"task-1-call-{number}", **known, **changes})


@pytest.mark.parametrize(("asked", "calls"), [(None, [call(1)]), ("task-1-call-1", [call(1), call(2)])])
def test_the_call_that_is_meant(asked: str | None, calls: list[Approval]) -> None:
    assert call_answers.chosen("night", asked, calls) is calls[0]


@pytest.mark.parametrize(
    ("asked", "calls", "says"),
    [
        (None, [], "no call of run night waits for an answer"),
        ("task-1-call-9", [], "no call of run night waits for an answer"),
        (
            None,
            [call(1), call(2)],
            "2 calls of run night wait for an answer; name one: task-1-call-1 (tool_1), task-1-call-2 (tool_2)",
        ),
        (
            "task-1-call-9",
            [call(1)],
            "no call task-1-call-9 of run night waits for an answer; open: task-1-call-1 (tool_1)",
        ),
    ],
)
def test_what_is_open_is_listed(asked: str | None, calls: list[Approval], says: str) -> None:
    with pytest.raises(NotWaiting) as told:
        call_answers.chosen("night", asked, calls)
    assert str(told.value) == says


@pytest.mark.parametrize("answer", [CallAnswer(True, always=True), CallAnswer(False, reason="no")])
def test_a_call_that_was_interrupted_takes_no_reason(answer: CallAnswer) -> None:
    call_answers.check(call(1), answer)
    with pytest.raises(InvalidFlow, match="task-1-call-1 was interrupted: it is repeated or left out"):
        call_answers.check(call(1, kind="unknown_outcome"), answer)


def test_a_fan_out_is_no_tool_that_is_always_allowed() -> None:
    call_answers.check(call(1, kind="fan_out"), CallAnswer(False, reason="no"))
    with pytest.raises(InvalidFlow, match="task-1-call-1 is no call of a tool"):
        call_answers.check(call(1, kind="fan_out"), CallAnswer(True, always=True))


@pytest.mark.parametrize(
    ("kind", "answer", "update", "said"),
    [
        ("approval", CallAnswer(True), "approve", "task-1-call-1"),
        ("approval", CallAnswer(True, always=True), "approve_always", "task-1-call-1"),
        ("approval", CallAnswer(False, reason="no"), "reject", Rejection(id="task-1-call-1", reason="no")),
        ("unknown_outcome", CallAnswer(True), "retry_call", "task-1-call-1"),
        ("unknown_outcome", CallAnswer(False), "skip_call", "task-1-call-1"),
        ("fan_out", CallAnswer(True), "approve", "task-1-call-1"),
        ("fan_out", CallAnswer(False, reason="no"), "reject", Rejection(id="task-1-call-1", reason="no")),
    ],
)
async def test_the_update_fits_the_kind_of_call(kind: str, answer: CallAnswer, update: str, said: object) -> None:
    told = []

    async def execute_update(name: str, args: list[object]) -> None:
        told.append((name, args))

    handle = cast(Handle, SimpleNamespace(execute_update=execute_update))
    await call_answers.tell(handle, call(1, kind=kind), answer)
    assert told == [(update, [said])]
