"""Runs as a follower sees them."""

import pytest
from temporalio.api.enums.v1 import TimeoutType
from temporalio.api.failure.v1 import Failure, TimeoutFailureInfo

from grammar.messages.events import PendingActivity, RunEvent
from runtime.runs.following import _failure_text, _without_ended


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


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (TimeoutType.TIMEOUT_TYPE_HEARTBEAT, "the worker was lost"),
        (TimeoutType.TIMEOUT_TYPE_START_TO_CLOSE, "the attempt took longer than start_to_close_timeout"),
        (TimeoutType.TIMEOUT_TYPE_SCHEDULE_TO_START, "activity timeout"),
    ],
)
def test_timeouts_in_our_words(kind: TimeoutType.ValueType, told: str) -> None:
    failure = Failure(message="activity timeout", timeout_failure_info=TimeoutFailureInfo(timeout_type=kind))
    assert _failure_text(failure) == told


def test_other_failures_as_they_are() -> None:
    assert _failure_text(Failure(message="no")) == "no"
    assert _failure_text(Failure()) == ""
