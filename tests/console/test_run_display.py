"""Events and the live view together, on a terminal and without one."""

import io
import re
from datetime import datetime, timedelta

from rich.console import Console

from console.run_display import PROGRESS_INTERVAL, RunDisplay
from console.screen import Screen
from grammar.messages.activity_results import TranscriptEntry
from grammar.messages.events import RunEvent
from tests.console.runs import FLOW, NOW, branch_ended, changes, running, says

LIVE = "── night "


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


def screen(terminal: bool, width: int = 80, height: int = 24) -> Screen:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, height=height, soft_wrap=True)
    return Screen(console, console, console)


def written(view: Screen) -> str:
    return view.out.file.getvalue()  # type: ignore[attr-defined, no-any-return]


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
        "… explain each 60/200, 2 failed, 40/min, ETA 3 min 30 s; 1 min 33 s, 0 tokens, about $0.00",
        "… explain each 61/200, 2 failed, 24/min, ETA 5 min 41 s; 2 min 33 s, 0 tokens, about $0.00",
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


def test_while_a_person_is_asked_nothing_is_told_and_nothing_is_lost() -> None:
    view = screen(terminal=True)
    display = RunDisplay(FLOW, "night", view)
    with display.following(None):
        with display.silent():
            before = written(view)
            for item in (1, 2):
                display.hear(changes(events=[branch_ended(item, 200, said=[says("fine")])]))
                display.tick()
            assert written(view) == before
        assert [written(view).count(f"✓ item {item} of 200") for item in (1, 2)] == [1, 1]


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
