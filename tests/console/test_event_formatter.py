"""The events of a run, line by line."""

from console.event_formatter import MAX_BRANCHES_WITH_TOOLS, MAX_SILENT_BRANCHES, EventFormatter
from grammar.messages.activity_results import Progress, TranscriptEntry
from grammar.messages.events import PendingActivity, RunEvent
from tests.console.runs import NOW, ago, branch_ended, retrying, says, task_progress

EACH = "explain each"


def formatter_of(total: int = 4, debug: bool = False) -> EventFormatter:
    made = EventFormatter(["list", EACH, "sum up"], debug)
    made.set_totals(task_progress(total=total))
    return made


def taken(formatter: EventFormatter) -> list[str]:
    return [line.plain for line in formatter.take_lines()]


def working(*said: TranscriptEntry, attempt: int = 1, first: int = 0) -> PendingActivity:
    return PendingActivity(
        attempt, Progress(said=list(said), first=first), "500 overloaded", "ModelUnavailable", 5, ago(1)
    )


def test_of_several_branches_each_has_its_block() -> None:
    """What two say at the same time is not mixed."""
    formatter = formatter_of()
    formatter.add_activity("task-2-item-1", EACH, working(says("a({})", "tool_call")), NOW)
    formatter.add_activity("task-2-item-2", EACH, working(says("b({})", "tool_call")), NOW)
    assert taken(formatter) == []
    formatter.add_event(branch_ended(2, 4, said=[says("b({})", "tool_call"), says("Two.\nLines.")]))
    assert taken(formatter) == ["  ✓ item 2 of 4", "    who: → b({})", "    who: Two.", "      Lines."]
    formatter.add_event(branch_ended(1, 4, said=[says("a({})", "tool_call"), says("One.")]))
    assert taken(formatter) == ["  ✓ item 1 of 4", "    who: → a({})", "    who: One."]


def test_the_one_branch_of_a_task_is_told_as_it_goes() -> None:
    formatter = formatter_of(total=1)
    formatter.add_activity("task-2", EACH, working(says("a({})", "tool_call")), NOW)
    assert taken(formatter) == ["  who: → a({})"]
    formatter.add_activity("task-2", EACH, working(says("a({})", "tool_call")), NOW)
    assert taken(formatter) == []
    formatter.add_event(branch_ended(1, 1, said=[says("a({})", "tool_call"), says("Done.")], activity="task-2"))
    assert taken(formatter) == ["  who: Done."]


def test_the_legs_of_a_branch_are_one_block() -> None:
    """A leg that goes on from a journal goes through what was said before."""
    formatter = formatter_of()
    left = branch_ended(1, 4, kind="leg_ended", status="rate_limited", said=[says("One.")])
    formatter.add_event(left)
    formatter.add_event(branch_ended(1, 4, activity="task-2-item-1-leg-2", said=[says("One."), says("Two.")]))
    assert taken(formatter) == ["  ✓ item 1 of 4", "    who: One.", "    who: Two."]


def test_what_a_model_says_is_told_in_full_and_what_a_tool_gives_is_not() -> None:
    formatter = formatter_of(total=1)
    long = "\n".join(map(str, range(100)))
    formatter.add_event(branch_ended(1, 1, said=[says(long), says(long, "tool_output")], activity="task-2"))
    lines = taken(formatter)
    assert len(lines) == 100 + 41
    assert lines[-1] == "    … (60 more lines)"


def test_of_many_branches_what_their_models_say() -> None:
    formatter = formatter_of(total=MAX_BRANCHES_WITH_TOOLS + 1)
    formatter.add_activity("task-2-item-3", EACH, working(says("a({})", "tool_call")), NOW)
    said = [says("a({})", "tool_call"), says("b", "tool_output"), says("It is\na lamp.")]
    formatter.add_event(branch_ended(3, MAX_BRANCHES_WITH_TOOLS + 1, said=said))
    formatter.add_event(branch_ended(4, MAX_BRANCHES_WITH_TOOLS + 1, said=[says("no words", "shell")]))
    assert taken(formatter) == ["  ✓ item 3 of 21", "    who: It is", "      a lamp.", "  ✓ item 4 of 21"]


def test_of_very_many_branches_those_that_speak_or_fail() -> None:
    total = MAX_SILENT_BRANCHES + 1
    formatter = formatter_of(total=total)
    for item in range(1, 101):
        formatter.add_event(
            branch_ended(item, total, said=[says("no words", "shell")] if item < 100 else [says("fine")])
        )
    formatter.add_event(branch_ended(101, total, status="failed", note="400 no", error="BadRequest"))
    assert taken(formatter) == [
        "  ✓ item 100 of 201",
        "    who: fine",
        "  ✗ explain each, item 101 of 201: BadRequest",
        "      400 no",
        "      not retried: it would fail again",
        "      try: see whether `model` and `model_settings` are what the endpoint takes",
    ]


def test_with_debug_nothing_is_left_out() -> None:
    formatter = formatter_of(total=1000, debug=True)
    formatter.add_event(branch_ended(3, 1000, said=[says("a({})", "tool_call"), says("fine")]))
    assert taken(formatter) == ["  ✓ item 3 of 1000", "    who: → a({})", "    who: fine"]


def test_an_attempt_that_failed_and_when_the_next_one_begins() -> None:
    formatter = formatter_of()
    for _ in range(3):
        formatter.add_activity("task-2-item-3", EACH, retrying(), NOW, "item 3")
    assert taken(formatter)[:3] == [
        "  ↻ explain each, item 3: ModelUnavailable",
        "      500 overloaded",
        "      attempt 1 of 5 failed; attempt 2 in 8 s",
    ]
    formatter.add_activity("task-2-item-3", EACH, working(attempt=3), NOW, "item 3")
    assert taken(formatter) == [
        "  ↻ explain each, item 3: ModelUnavailable: 500 overloaded; attempt 2 of 5 failed; attempt 3 now"
    ]


def test_a_rate_limit_and_until_when() -> None:
    formatter = formatter_of()
    formatter.add_event(
        branch_ended(3, 4, kind="rate_limited", note="429 slow", until=ago(-12), activity="task-2-item-3-leg-2")
    )
    lines = taken(formatter)
    assert lines[:2] == ["  ⏸ explain each, item 3 of 4: RateLimited", "      429 slow"]
    assert lines[2].startswith(f"      waits for the endpoint until {ago(-12).astimezone():%H:%M:%S}; ")


def test_what_a_person_skipped_is_told_without_advice() -> None:
    formatter = formatter_of()
    end = {"number": 9, "task": EACH, "kind": "task_ended", "status": "failed", "note": "skipped by a person"}
    formatter.add_event(RunEvent.model_validate(end))
    assert taken(formatter) == [f"✗ {EACH} failed: skipped by a person"]


def test_a_task_that_fails_before_any_branch_runs() -> None:
    formatter = formatter_of()
    failed = RunEvent(
        number=1, task=EACH, kind="task_ended", status="failed", note="undefined name x", error="TemplateFailed"
    )
    formatter.add_event(failed)
    assert taken(formatter) == [
        "  ✗ explain each: TemplateFailed",
        "      undefined name x",
        "      not retried: it would fail again",
        "      try: mend the template, and start the file with --from: what was done is kept",
        "✗ explain each failed",
    ]


def test_of_the_same_failure_again_and_again_the_rest_is_counted() -> None:
    formatter = formatter_of(total=300)
    for item in range(1, 31):
        formatter.add_event(branch_ended(item, 300, status="failed", note="400 no", error="BadRequest"))
    formatter.add_event(branch_ended(31, 300, status="failed", note="400 other", error="BadRequest"))
    lines = taken(formatter)
    assert lines[4] == "  ✗ explain each, item 2 of 300: BadRequest: 400 no"
    assert len(lines) == 4 + 9 + 4
    formatter.add_event(RunEvent(number=9, task=EACH, kind="task_ended", status="failed"))
    assert taken(formatter) == ["  … and 20 more: ✗ BadRequest: 400 no", "✗ explain each failed"]


def test_of_a_long_stderr_the_end() -> None:
    stderr = "\n".join(f"line {number}" for number in range(50))
    failed = branch_ended(1, 1, status="failed", note=f"toolbox box did not start\n{stderr}", error="ToolboxFailed")
    brief, whole = formatter_of(total=1), formatter_of(total=1, debug=True)
    brief.add_event(failed)
    lines = taken(brief)
    assert lines[1:4] == ["      toolbox box did not start", "      … (44 lines; --debug shows them)", "      line 44"]
    whole.add_event(failed)
    assert [f"      line {number}" for number in range(50)] == taken(whole)[2:52]


def test_nothing_that_is_said_steers_the_terminal() -> None:
    formatter = formatter_of(total=1)
    formatter.add_event(branch_ended(1, 1, said=[says("\x1b[2Ja"), says("\x1b[2Jb", "tool_output")], activity="task-2"))
    formatter.add_event(branch_ended(1, 1, status="failed", note="\x1b[2Jno", error="ShellFailed", activity="task-3"))
    assert "\x1b" not in "".join(taken(formatter))
