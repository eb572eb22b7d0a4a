"""Calls that wait, asked about one at a time, while others may answer them elsewhere."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import cast

import pytest
from rich.text import Text

from commands.approval_questions import ApprovalQuestions
from console.run_display import RunDisplay
from console.screen import Screen, open_screen
from grammar.messages.reports import Approval, ApprovalDecision
from runtime.runs import runs, signals
from tests.console.runs import NOW
from tests.support.waiting import until_async


class Attended(Screen):
    """A terminal with somebody in front of it."""

    is_attended = True


class Asked:
    """A display whose person answers what is put into `words`."""

    def __init__(self) -> None:
        self.words: asyncio.Queue[str] = asyncio.Queue()
        self.open: list[str] = []

    @contextmanager
    def asking(self, about: str) -> Iterator[None]:
        self.open.append(about)
        try:
            yield
        finally:
            self.open.remove(about)

    def tell(self, text: Text) -> None:
        pass

    async def read(self, prompt: str) -> str:
        return await self.words.get()


def call(number: int) -> Approval:
    return Approval(id=f"task-1-call-{number}", task="t", tool="rm", toolbox="box", arguments=f"{number}", since=NOW)


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The ids of the calls that were answered here."""
    answered: list[str] = []

    async def answer(handle: object, approval: Approval, decision: ApprovalDecision) -> None:
        answered.append(approval.id)

    monkeypatch.setattr(signals, "answer", answer)
    return answered


async def asks(display: Asked, *about: str) -> bool:
    return display.open == list(about)


async def test_a_question_goes_away_where_somebody_else_answers(given: list[str]) -> None:
    display, screen = Asked(), open_screen()
    attended = Attended(screen.out, screen.notes, screen.err)
    handle = cast(runs.Handle, None)
    questions = ApprovalQuestions(attended, cast(RunDisplay, display), handle, lambda call: call.id)
    answering = asyncio.create_task(questions.answer())
    questions.hear([call(1), call(2)])
    await until_async(lambda: asks(display, "t: rm(1)"))
    questions.hear([call(2)])
    await until_async(lambda: asks(display, "t: rm(2)"))
    display.words.put_nowait("yes")
    await until_async(lambda: asks(display))
    assert (given, questions.asking) == (["task-1-call-2"], False)
    answering.cancel()
