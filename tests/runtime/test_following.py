"""Runs as a follower sees them."""

from grammar.messages.events import PendingActivity, RunEvent
from runtime.runs.following import _without_ended


def test_what_has_ended_is_not_told_again() -> None:
    """The description is asked for first, and may still name what the journal says has ended."""
    live = {
        name: PendingActivity(attempt=2, progress=None, last_failure="no")
        for name in ("task-1", "task-2-leg-2", "task-3")
    }
    entries = [
        RunEvent(number=0, task="a", kind="branch_ended", activity="task-1"),
        RunEvent(number=1, task="b", kind="leg_ended", activity="task-2-leg-2"),
        RunEvent(number=2, task="c", kind="task_started", activity="task-3"),
    ]
    assert list(_without_ended(live, entries)) == ["task-3"]
