"""What `schedule add --cron` takes, as far as it is told without a server."""

import pytest

from grammar.errors import InvalidFlow
from grammar.messages.schedule import check


@pytest.mark.parametrize(
    "cron",
    [
        "0 6 * * *",
        " 0 6 * * 1-5 ",
        "0 6 * * * 2027",
        "0 0 6 * * * *",
        "@daily",
        "@every 2h",
        "CRON_TZ=Asia/Tokyo @daily",
    ],
)
def test_what_may_be_one_is_left_to_the_server(cron: str) -> None:
    check(cron)


@pytest.mark.parametrize("cron", ["", " ", "0", "0 6 * *", "CRON_TZ=Asia/Tokyo", "TZ=UTC 6 * * *", "0 6 * * * * * *"])
def test_what_cannot_be_one(cron: str) -> None:
    with pytest.raises(InvalidFlow) as told:
        check(cron)
    assert str(told.value).startswith(f"command line: --cron: {cron!r}: in one pair of quotes, write minute, hour,")
