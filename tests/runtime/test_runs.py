"""Runs as a follower sees them."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.taskqueue.v1 import PollerInfo

from grammar.journal import Entry, Live
from runtime.runs import _polls, _still

NOW = datetime(2026, 11, 26, tzinfo=UTC)


def test_what_has_ended_is_not_told_again() -> None:
    """The description is asked for first, and may still name what the journal says has ended."""
    live = {name: Live(attempt=2, progress=None, last_failure="no") for name in ("task-1", "task-2-leg-2", "task-3")}
    entries = [
        Entry(number=0, task="a", kind="branch_ended", activity="task-1"),
        Entry(number=1, task="b", kind="leg_ended", activity="task-2-leg-2"),
        Entry(number=2, task="c", kind="task_started", activity="task-3"),
    ]
    assert list(_still(live, entries)) == ["task-3"]


@pytest.mark.parametrize(("seconds", "lives"), [(0, True), (60, True), (120, False)])
def test_a_worker_that_has_gone_polls_no_more(seconds: int, lives: bool) -> None:
    """The server still remembers it."""
    asked = Timestamp()
    asked.FromDatetime(NOW - timedelta(seconds=seconds))
    assert _polls(PollerInfo(identity="a worker", last_access_time=asked), NOW) == lives
