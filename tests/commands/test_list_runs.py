"""`list --since`: so long ago, or a date."""

from datetime import UTC, datetime, timedelta

import pytest

from commands.list_runs import moment
from grammar.errors import InvalidFlow

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("text", "ago"), [("30m", timedelta(minutes=30)), ("2h", timedelta(hours=2)), ("3d", timedelta(days=3))]
)
def test_so_long_ago(text: str, ago: timedelta) -> None:
    assert moment(text, NOW) == NOW - ago


def test_a_date() -> None:
    assert moment("2026-11-20T06:00:00+02:00", NOW) == datetime(2026, 11, 20, 4, tzinfo=UTC)
    assert moment("2026-11-20", NOW) == datetime(2026, 11, 20).astimezone()


@pytest.mark.parametrize("text", ["yesterday", "2x", "-1h", "0h", "9999999999d", "inf"])
def test_what_is_neither(text: str) -> None:
    with pytest.raises(InvalidFlow, match="command line: --since: "):
        moment(text, NOW)
