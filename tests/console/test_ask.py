"""What an answer means: its beginning, or the command that does the same elsewhere."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from rich.text import Text

from console import ask
from console.ask import spoken_choice
from grammar.messages.budgets import BudgetRaise
from grammar.messages.reports import Approval, Decision, Failure, Parked
from tests.console.runs import NOW

PARKED = ["retry", "skip", "set-output", "abort", "leave"]
PARKED_TASK = Parked(task="sum up", failure=Failure(task="sum up", type="BadRequest", message="400 no"), since=NOW)
CALL = ["yes", "no", "always", "detach", "cancel"]


@pytest.mark.parametrize(
    ("words", "choices", "meant"),
    [
        ("r", PARKED, "retry"),
        (" Retry ", PARKED, "retry"),
        ("s", PARKED, None),
        ("", PARKED, None),
        ("a lot", PARKED, None),
        ("python starter.py retry night", PARKED, "retry"),
        ("taskflow skip night", PARKED, "skip"),
        ("/opt/venv/bin/python3.12 ./starter.py abort night", PARKED, "abort"),
        ("set output", PARKED, "set-output"),
        ("set_output", PARKED, "set-output"),
        ("python starter.py set-output night '[1]'", PARKED, "set-output"),
        ("python starter.py approve night", PARKED, None),
        ("y", CALL, "yes"),
        ("approve", CALL, "yes"),
        ("python starter.py approve night task-1-call-1 --always", CALL, "always"),
        ("approve night --always", ["yes", "no", "detach", "cancel"], None),
        ("reject night", CALL, "no"),
        ("cancel night", CALL, "cancel"),
    ],
)
def test_what_is_meant(words: str, choices: list[str], meant: str | None) -> None:
    assert spoken_choice(words, choices) == meant


class Scripted:
    """A questioner whose person says these words, one after the other, and then has gone."""

    def __init__(self, *words: str) -> None:
        self._words = list(words)
        self.open: list[str] = []
        self.told: list[str] = []

    @contextmanager
    def asking(self, about: str) -> Iterator[None]:
        self.open.append(about)
        yield
        self.open.pop()

    def tell(self, text: Text) -> None:
        self.told.append(text.plain)

    async def read(self, prompt: str) -> str:
        assert self.open
        self.told.append(prompt)
        if not self._words:
            raise EOFError
        return self._words.pop(0)


def call(**fields: Any) -> Approval:
    given = {"id": "task-1-call-1", "task": "tidy up", "tool": "rm", "toolbox": "disk", "arguments": '{"a": 1}'}
    return Approval(**given | fields, since=NOW)


@pytest.mark.parametrize(
    ("words", "answer", "reason"),
    [
        (("y",), "yes", ""),
        (("perhaps", "no", " too early "), "no", "too early"),
        (("always",), "always", ""),
        (("",), "detach", ""),
        (("no",), "detach", ""),
        ((), "detach", ""),
    ],
)
async def test_about_a_call(words: tuple[str, ...], answer: str, reason: str) -> None:
    asked = Scripted(*words)
    assert await ask.about_call(asked, call(branch="item 3 of 4")) == (answer, reason)
    assert asked.told[:2] == ["\ntidy up, item 3 of 4: the agent wants to call rm of disk with", '{\n  "a": 1\n}']
    assert asked.open == []


async def test_a_call_that_was_interrupted_is_not_refused_with_a_reason() -> None:
    asked = Scripted("always", "no")
    assert await ask.about_call(asked, call(kind="unknown_outcome")) == ("no", "")
    assert "please answer with one of: yes, no, detach, cancel" in asked.told


@pytest.mark.parametrize(
    ("words", "action", "value"),
    [
        (("r",), "retry", None),
        (("set output", "{", '["a"]'), "set_output", ["a"]),
        (("set_output", "7"), "set_output", 7),
    ],
)
async def test_about_a_parked_run(words: tuple[str, ...], action: str, value: object) -> None:
    decision = await ask.about_parked(Scripted(*words), PARKED_TASK)
    assert decision
    assert (decision.action, decision.task, decision.value) == (action, "sum up", value)


async def test_about_a_run_that_is_parked_at_its_budget() -> None:
    failure = Failure(task="sum up", type="BudgetReached", message="$2.10 of $2.00")
    asked = Scripted("raise", "3", "usd=3 tokens=500k")
    decision = await ask.about_parked(asked, Parked(task="sum up", failure=failure, since=NOW))
    assert decision == Decision(action="raise_budget", budget=BudgetRaise(usd=3, tokens=500_000))
    assert asked.told[0] == "\nparked: the budget is used up, in sum up; nothing that succeeded is run again"
    assert "'3': write usd=AMOUNT, tokens=AMOUNT, requests=AMOUNT or time=AMOUNT" in asked.told


async def test_about_a_large_fan_out() -> None:
    asked = Scripted("always", "no", "too many")
    size = call(kind="fan_out", tool="", toolbox="", arguments="350 items, and confirm_over is 200")
    assert await ask.about_call(asked, size) == ("no", "too many")
    assert asked.told[0] == "\ntidy up: 350 items, and confirm_over is 200"
    assert "please answer with one of: yes, no, detach, cancel" in asked.told


@pytest.mark.parametrize("words", [("leave",), ("set-output",), ()])
async def test_a_parked_run_is_left(words: tuple[str, ...]) -> None:
    assert await ask.about_parked(Scripted(*words), PARKED_TASK) is None


@pytest.mark.parametrize(("words", "answer"), [(("",), "detach"), (("c",), "cancel"), ((), "detach")])
async def test_detach_or_cancel(words: tuple[str, ...], answer: str) -> None:
    assert await ask.detach_or_cancel(Scripted(*words), "night") == answer
