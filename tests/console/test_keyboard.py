"""What is typed at a question: edited as in any terminal, and read without holding anything up."""

import asyncio
import os
import pty
import termios
from collections.abc import Iterator

import pytest

from console import keyboard
from console.keyboard import TypedLine
from tests.support.waiting import until_async


@pytest.mark.parametrize(
    ("typed", "line"),
    [
        (b"yes\n", "yes"),
        (b"yes\r", "yes"),
        (b"yex\x7fs\n", "yes"),
        (b"n\b\b\bno\n", "no"),
        (b"not this\x15no\n", "no"),
        (b"one two  \x17three\n", "one three"),
        (b"\x1b[A\x1b[1;5Cn\x1bOHo\x01\t\n", "no"),
        ("r\u00e9\u6f22\n".encode(), "r\u00e9\u6f22"),
        (b"\n", ""),
        (b"a\x04b\n", "ab"),
    ],
)
def test_keys_edit_the_line(typed: bytes, line: str) -> None:
    """Key by key, too: a sign may come in halves."""
    at_once, one_by_one = TypedLine(), TypedLine()
    at_once.feed(typed)
    for number in range(len(typed)):
        if b"\x1b" not in typed:
            one_by_one.feed(typed[number : number + 1])
    assert at_once.take() == line
    assert b"\x1b" in typed or one_by_one.take() == line


def test_what_comes_after_a_line_is_the_next_one() -> None:
    line = TypedLine()
    line.feed(b"perhaps\nye")
    assert (line.take(), line.take(), line.text) == ("perhaps", None, "ye")


@pytest.mark.parametrize("typed", [b"\x04", b""])
def test_the_end_of_input(typed: bytes) -> None:
    line = TypedLine()
    line.feed(typed)
    with pytest.raises(EOFError):
        line.take()


@pytest.fixture
def typist(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of a terminal that is stdin, and does not control our session."""
    master, slave = pty.openpty()
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        yield master
    os.close(master)


def test_a_terminal_that_controls_no_session_is_ours(typist: int) -> None:
    assert keyboard.is_ours()
    assert not keyboard.is_away()


async def has_seen(seen: list[str], text: str) -> bool:
    return text in seen


async def test_a_line_is_read_key_by_key(typist: int) -> None:
    keyboard.read_keys()
    line, seen = TypedLine(), list[str]()
    reading = asyncio.create_task(keyboard.read_line(line, lambda: seen.append(line.text)))
    os.write(typist, b"y")
    await until_async(lambda: has_seen(seen, "y"))
    os.write(typist, b"e")
    await until_async(lambda: has_seen(seen, "ye"))
    os.write(typist, b"s\n")
    assert await asyncio.wait_for(reading, 5) == "yes"


async def test_a_question_that_nobody_answers_holds_up_nothing(typist: int) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(keyboard.read_line(TypedLine(), lambda: None), 0.01)
    os.write(typist, b"later\n")
    assert await asyncio.wait_for(keyboard.read_line(TypedLine(), lambda: None), 5) == "later"


def test_the_terminal_is_left_as_it_was(typist: int) -> None:
    def modes() -> tuple[bool, bool]:
        flags = termios.tcgetattr(typist)[3]
        return bool(flags & termios.ECHO), bool(flags & termios.ICANON)

    seen = []
    for change in (keyboard.hide, keyboard.read_keys, keyboard.hide, keyboard.read_keys, keyboard.restore):
        change()
        seen.append(modes())
    assert seen == [(False, True), (False, False), (False, True), (False, False), (True, True)]
