"""Events and the live view together, on a terminal and without one."""

import asyncio
import io
import os
import pty
import re
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from rich.console import Console

from console import keyboard
from console.run_display import PROGRESS_INTERVAL, RunDisplay
from console.screen import Screen
from grammar.messages.activity_results import TranscriptEntry
from grammar.messages.events import RunEvent
from tests.console.runs import FLOW, NOW, branch_ended, changes, running, says
from tests.support.waiting import until_async

LIVE = "── night "
CODES = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\r")


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def typist(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """The other end of a terminal that is stdin, and ours."""
    master, slave = pty.openpty()
    with os.fdopen(slave) as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        monkeypatch.setattr(keyboard, "is_ours", lambda: True)
        yield master
    os.close(master)


def screen(terminal: bool, width: int = 80, height: int = 24) -> Screen:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, height=height, soft_wrap=True)
    return Screen(console, console, console)


def written(view: Screen) -> str:
    return view.out.file.getvalue()  # type: ignore[attr-defined, no-any-return]


async def shows(view: Screen, text: str) -> bool:
    return text in CODES.sub("", written(view))


def test_without_a_terminal_there_are_lines_with_times_and_no_control_codes() -> None:
    view = screen(terminal=False)
    display = RunDisplay(FLOW, "night", view)
    with display.following("http://ui/night"):
        display.hear(
            changes(
                {"task-2-item-1": running(tail="I say")}, [branch_ended(9, 200, said=[says("\x1b[31mfine\nindeed")])]
            )
        )
        display.tick()
    lines = ["  ✓ item 9 of 200", "    who: fine", "      indeed"]
    assert re.fullmatch("".join(rf"\d\d:\d\d:\d\d {line}\n" for line in lines), written(view))


def test_without_a_terminal_it_is_told_now_and_then_how_far_it_is() -> None:
    view, clock = screen(terminal=False), Clock()
    display = RunDisplay(FLOW, "night", view, now=clock)
    with display.following(None):
        display.hear(changes())
        for done in (58, 58, 59):
            clock.now += PROGRESS_INTERVAL
            display.hear(changes(done=done))
            display.tick()
            display.tick()
    lines = written(view).splitlines()
    assert [line[9:] for line in lines] == [
        "… explain each 60/200, 2 failed, 40/min, ETA 3 min 30 s; 1 min 33 s, 0 tokens in, 0 out, $0.00",
        "… explain each 61/200, 2 failed, 24/min, ETA 5 min 41 s; 2 min 33 s, 0 tokens in, 0 out, $0.00",
    ]


def test_in_a_terminal_events_stand_above_the_live_view() -> None:
    view = screen(terminal=True)
    display = RunDisplay(FLOW, "night", view)
    with display.following(None):
        display.hear(changes(events=[branch_ended(9, 200, said=[says("fine")])]))
        text = written(view)
        assert text.rindex("✓ item 9 of 200") < text.rindex(LIVE)
    assert written(view).endswith("\x1b[?25h") or "\x1b[?25h" in written(view)[-80:], "the cursor is shown again"


def test_what_has_not_changed_is_not_drawn_again() -> None:
    view, clock = screen(terminal=True), Clock()
    display = RunDisplay(FLOW, "night", view, now=clock)
    with display.following(None):
        display.hear(changes())
        display.tick()
        before = written(view)
        display.tick()
        assert written(view) == before
        clock.now += timedelta(seconds=1)
        display.tick()
        assert written(view).count(LIVE) == before.count(LIVE) + 1


async def test_a_question_stands_below_the_live_view_which_goes_on(typist: int) -> None:
    view, clock = screen(terminal=True), Clock()
    display = RunDisplay(FLOW, "night", view, now=clock)
    with display.following(None):
        with display.asking("tidy up: rm({})"):
            reading = asyncio.create_task(display.read("allow it? "))
            await until_async(lambda: shows(view, "allow it? "))  # what is typed before is no answer
            os.write(typist, b"ye")
            await until_async(lambda: shows(view, "allow it? ye"))
            display.hear(changes(events=[branch_ended(1, 200, said=[says("fine")])]))
            before = written(view)
            clock.now += timedelta(seconds=1)
            display.tick()
            drawn = CODES.sub("", written(view)[len(before) :])
            assert LIVE in drawn
            assert drawn.rstrip().endswith("? tidy up: rm({})\nallow it? ye")
            assert "detach or cancel" not in drawn
            assert written(view).count("✓ item 1 of 200") == 1
            os.write(typist, b"s\n")
            assert await reading == "yes"
        before = written(view)
        clock.now += timedelta(seconds=1)
        display.tick()
        after = CODES.sub("", written(view)[len(before) :])
        assert LIVE in after
        assert "allow it?" not in after
    assert "allow it? yes\n" in CODES.sub("", written(view)), "what was answered stays"


async def test_a_question_that_is_withdrawn_is_gone(typist: int) -> None:
    view, clock = screen(terminal=True), Clock()
    display = RunDisplay(FLOW, "night", view, now=clock)
    with display.following(None):
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                with display.asking("tidy up: rm({})"):
                    await display.read("allow it? ")
        before = written(view)
        clock.now += timedelta(seconds=1)
        display.tick()
        assert "allow it?" not in written(view)[len(before) :]


async def test_where_nothing_is_drawn_a_question_has_the_terminal_and_nothing_is_lost(typist: int) -> None:
    view = screen(terminal=False)
    display = RunDisplay(FLOW, "night", view)
    with display.following(None):
        with display.asking("tidy up: rm({})"):
            reading = asyncio.create_task(display.read("allow it? "))
            await until_async(lambda: shows(view, "allow it? "))
            os.write(typist, b"yes\n")
            assert await reading == "yes"
            before = written(view)
            assert before.endswith("allow it? ")
            for item in (1, 2):
                display.hear(changes(events=[branch_ended(item, 200, said=[says("fine")])]))
                display.tick()
            assert written(view) == before
        assert [written(view).count(f"✓ item {item} of 200") for item in (1, 2)] == [1, 1]


def test_who_has_lost_the_terminal_does_not_draw_on_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """As after Ctrl-Z and `bg`; `fg` brings the live view back."""
    view, away = screen(terminal=True), [True]
    monkeypatch.setattr(keyboard, "is_away", lambda: away[0])
    display = RunDisplay(FLOW, "night", view)
    with display.following(None):
        display.hear(changes(events=[branch_ended(1, 200, said=[says("fine")])]))
        display.tick()
        assert LIVE not in written(view)
        assert "✓ item 1 of 200" in written(view)
        away[0] = False
        display.tick()
        assert LIVE in written(view)


def test_long_lines_are_broken_at_words_and_stay_indented() -> None:
    view = screen(terminal=True, width=40)
    display = RunDisplay(FLOW, "night", view)
    display.hear(changes(events=[branch_ended(1, 1, said=[says("word " * 20)], activity="task-3", task="sum up")]))
    lines = written(view).splitlines()
    assert lines[0] == "  who: word word word word word word"
    assert lines[1] == "    word word word word word word word"


def lines_of_10_000(*said: TranscriptEntry) -> list[str]:
    """Of each five items, one fails."""
    view = screen(terminal=False)
    display = RunDisplay(FLOW, "night", view)
    for item in range(1, 10_001):
        bad = {"status": "failed", "note": "400 no", "error": "BadRequest"} if item % 5 == 0 else {}
        display.hear(changes(total=10_000, events=[branch_ended(item, 10_000, said=list(said), **bad)]))
    display.hear(changes(events=[RunEvent(number=1, task="explain each", kind="task_ended", status="failed")]))
    return [line[9:] for line in written(view).splitlines()]


def test_what_10_000_scripts_print_stays_short() -> None:
    lines = lines_of_10_000(says("noise", "shell"))
    assert len(lines) == 4 + 9 + 2
    assert "  … and 1,990 more: ✗ BadRequest: 400 no" in lines


def test_of_10_000_agents_each_has_its_say() -> None:
    """Failures that are alike are still told in few words."""
    lines = lines_of_10_000(says("fine"), says("noise", "tool_output"))
    assert len(lines) == 2 * 10_000 + 4 + 9 + 2
    assert (lines.count("    who: fine"), lines.count("  ✗ item 5 of 10000")) == (10_000, 1)
    assert "noise" not in " ".join(lines)
