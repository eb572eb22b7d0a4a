"""`logs`: which branches are told, and how."""

import io

import pytest
from rich.console import Console

from commands import logs
from console.transcript import print_transcript
from grammar.errors import NotWaiting
from grammar.messages.activity_results import TranscriptEntry
from tests.support import run_histories


@pytest.mark.parametrize(
    ("task", "item", "found"),
    [
        (None, None, ["list files", "read each", "read each", "read each"]),
        ("list files", None, ["list files"]),
        ("read each", None, ["read each"] * 3),
        ("sum up", None, []),
        (None, 2, ["read each"]),
        ("read each", 3, ["read each"]),
    ],
)
def test_branches_of_a_task_and_an_item(task: str | None, item: int | None, found: list[str]) -> None:
    branches = logs.chosen(run_histories.many(3), task, item)
    assert [branch.report.task for branch in branches] == found
    if item:
        assert [branch.report.index for branch in branches] == [item - 1]


@pytest.mark.parametrize(
    ("task", "item", "says"),
    [
        ("sum", None, "run reading-1 has no task 'sum'; its tasks: 'list files', 'read each', 'sum up'"),
        (None, 4, "run reading-1 has no item 4, or has not begun it"),
        ("list files", 1, "run reading-1 has no item 1 of task 'list files', or has not begun it"),
    ],
)
def test_what_there_is_not(task: str | None, item: int | None, says: str) -> None:
    with pytest.raises(NotWaiting) as told:
        logs.chosen(run_histories.many(3), task, item)
    assert str(told.value) == says


def test_a_transcript_is_whole_and_steers_nothing() -> None:
    console = Console(file=io.StringIO(), width=10_000, highlight=False, markup=False)
    long = "\n".join(f"line {number}" for number in range(100))
    entries = [
        TranscriptEntry(kind="tool_call", who="who", text="look_up({})"),
        TranscriptEntry(kind="tool_output", who="who", text=long),
        TranscriptEntry(kind="message", who="who", text="\x1b[31m[red]"),
        TranscriptEntry(kind="shell", who="shell", text="printed"),
    ]
    print_transcript(console, "read each, item 1", "Read it.\nAll.", entries)
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined]
    assert lines[:5] == ["read each, item 1", "  ▷ Read it.", "    All.", "  who: → look_up({})", "  who: ← line 0"]
    assert lines[-4:] == ["    line 99", "  who: [red]", "  printed", ""]
