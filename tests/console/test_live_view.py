"""The live view: what fits, in any terminal."""

import io

import pytest
from rich.cells import cell_len
from rich.console import Console, Group

from console.live_view import render
from console.progress import BranchRow, RunProgress, RunView, TaskView
from grammar.messages.activity_results import WAITING
from grammar.messages.events import RunEvent
from tests.console.runs import FLOW, NOW, ago, changes, retrying, running, says, used_by


def of_a_fan_out(branches: int = 3) -> RunView:
    call = says('lookup({"q": "x"})', "tool_call")
    activities = {f"task-2-item-{item}": running(tail="It is a lamp that " * 20) for item in range(10, 10 + branches)}
    activities |= {"task-2-item-2": retrying(), "task-2-item-4": running(turn=1, doing="tool lookup", said=[call])}
    limited = RunEvent(
        number=3, task="explain each", kind="rate_limited", activity="task-2-item-3", until=ago(-12), note="429 slow"
    )
    progress = RunProgress(FLOW, "night", "http://localhost:8233/night")
    used = [used_by("fast", "gpt-x", input_tokens=900, output_tokens=100)]
    progress.update(NOW, changes(activities, [limited], usage_by_model=used))
    return progress.view(NOW)


def drawn(view: RunView, width: int, height: int) -> list[str]:
    return [line.plain for line in render(view, width, height)]


def test_in_80_columns() -> None:
    assert drawn(of_a_fan_out(), 80, 16) == [
        "── night " + "─" * 71,
        "✓ 1 list          0.5 s",
        "▶ 2 explain each  1 min 0 s · 5,800 tokens",
        "    ━━━━━━×─────────────────  60/200 · 58 ok · 2 failed · 1.0/s · ETA 2 min 20 s",
        "    item 2   ↻ in 8 s: attempt 2 of 5 after 500 overloaded",
        "    item 3   ⏸ rate limited, goes on in 12 s: 429 slow",
        '    item 4   turn 1/9  1,200 tok  4 s  → lookup({"q": "x"})',
        "    item 10  turn 2/9  1,200 tok  4 s  …that It is a lamp that It is a lamp that",
        "    item 11  turn 2/9  1,200 tok  4 s  …that It is a lamp that It is a lamp that",
        "    item 12  turn 2/9  1,200 tok  4 s  …that It is a lamp that It is a lamp that",
        "· 3 sum up",
        "1 min 3 s · 5,700 tokens in, 100 out · $0.0067          Ctrl-C: detach or cancel",
        "http://localhost:8233/night",
    ]


def test_who_waits_for_its_turn_at_the_endpoint() -> None:
    progress = RunProgress(FLOW, "night")
    progress.update(NOW, changes({"task-2-item-3": running(doing=WAITING)}))
    (line,) = [line for line in drawn(progress.view(NOW), 80, 16) if "item 3" in line]
    assert "⏸ waits for its turn at the endpoint" in line


def test_in_200_columns_more_is_told() -> None:
    lines = drawn(of_a_fan_out(), 200, 40)
    assert len(lines) == 13
    assert "━" * 8 + "×" + "─" * 21 in lines[3]
    assert cell_len(lines[9]) > 190


def test_what_does_not_fit_is_counted() -> None:
    lines = drawn(of_a_fan_out(40), 80, 16)
    assert len(lines) == 16
    assert lines[-4] == "    … and 35 running"
    assert lines[-3] == "· 3 sum up"


@pytest.mark.parametrize("width", [1, 5, 20, 40, 80, 200])
@pytest.mark.parametrize("height", [1, 2, 3, 5, 8, 16, 50])
@pytest.mark.parametrize("view", [of_a_fan_out(0), of_a_fan_out(100), RunProgress(FLOW, "x" * 300).view(NOW)])
def test_nothing_is_larger_than_the_terminal(view: RunView, width: int, height: int) -> None:
    lines = drawn(view, width, height)
    assert 0 < len(lines) <= height
    assert max(map(cell_len, lines)) <= width


def test_wide_signs_are_counted_as_such() -> None:
    row = BranchRow("item 1", "running", 1, 1, 9, 10, tail="漢字" * 100)
    view = RunView("夜", None, [TaskView(1, "各" * 50, "running", 1, 9, rows=[row])])
    assert all(cell_len(line) <= 80 for line in drawn(view, 80, 16))


def test_of_many_tasks_those_that_are_not_running_are_folded() -> None:
    tasks = [TaskView(number, f"task {number}", "done" if number < 20 else "waiting", 1) for number in range(1, 41)]
    tasks[19] = TaskView(20, "now", "running", 1, rows=[BranchRow("", "running", 1, 1, 9, text="asking the model")])
    tasks[4] = TaskView(5, "bad", "failed", 1)
    assert drawn(RunView("r", None, tasks), 80, 16)[1:-1] == [
        "✓ 4 tasks done (1–4)",
        "✗ 5 bad      1.0 s",
        "✓ 14 tasks done (6–19)",
        "▶ 20 now      1 s",
        "    turn 1/9  1 s  asking the model",
        "· 20 tasks to come (21–40)",
    ]


def test_one_agent_is_told_with_the_end_of_what_it_says() -> None:
    row = BranchRow("", "running", 3, 1, 50, 345, tail="One.\n" + "word " * 60 + "\nThe end")
    task = TaskView(1, "greet", "running", 3, rows=[row])
    lines = drawn(RunView("r", None, [task]), 80, 16)
    assert lines[2] == "    turn 1/50  345 tok  3 s  says"
    line = "    │ " + "word " * 15
    assert lines[3:-1] == [*[line.rstrip()] * 3, "    │ The end"]


def test_without_colour_it_tells_the_same() -> None:
    """The bar, what failed and what waits are lines by signs."""

    def printed(**options: object) -> str:
        console = Console(file=io.StringIO(), force_terminal=True, width=80, **options)  # type: ignore[arg-type]
        console.print(Group(*render(of_a_fan_out(), 80, 16)))
        return console.file.getvalue()  # type: ignore[attr-defined, no-any-return]

    plain = Console(file=io.StringIO(), force_terminal=False, width=80)
    plain.print(Group(*render(of_a_fan_out(), 80, 16)))
    assert "\x1b" not in plain.file.getvalue()  # type: ignore[attr-defined]
    assert "\x1b[3" not in printed(no_color=True)
    assert "\x1b[3" in printed(color_system="standard")
