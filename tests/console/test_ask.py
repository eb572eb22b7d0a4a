"""What an answer means: its beginning, or the command that does the same elsewhere."""

import asyncio
import threading

import pytest

from console.ask import spoken_choice, unhurried

PARKED = ["retry", "skip", "set-output", "abort", "leave"]
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


def test_a_question_that_nobody_answers_holds_up_nothing() -> None:
    async def left() -> None:
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(unhurried(threading.Event().wait), 0.1)

    asyncio.run(left())


def test_a_question_that_fails_says_so() -> None:
    with pytest.raises(ZeroDivisionError):
        asyncio.run(unhurried(lambda: 1 // 0))
