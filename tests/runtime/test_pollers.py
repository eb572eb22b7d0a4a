"""Workers, as the server remembers them."""

from datetime import UTC, datetime, timedelta

import pytest
from google.protobuf.timestamp_pb2 import Timestamp
from temporalio.api.taskqueue.v1 import PollerInfo

from runtime.runs.pollers import _polls

NOW = datetime(2026, 11, 26, tzinfo=UTC)


@pytest.mark.parametrize(("seconds", "lives"), [(0, True), (60, True), (120, False)])
def test_a_worker_that_has_gone_polls_no_more(seconds: int, lives: bool) -> None:
    """The server still remembers it."""
    asked = Timestamp()
    asked.FromDatetime(NOW - timedelta(seconds=seconds))
    assert _polls(PollerInfo(identity="a worker", last_access_time=asked), NOW) == lives
