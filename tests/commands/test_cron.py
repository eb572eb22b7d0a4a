"""What `--cron` takes, as far as it is told without a server."""

import pytest

from commands.cron import check
from grammar.errors import InvalidFlow


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


def test_options_of_one_run() -> None:
    with pytest.raises(InvalidFlow, match="starts no run: --dry-run and --from cannot go with it"):
        check("@daily", detach=False, dry_run=True, from_="a", from_task=None)
    check(None, detach=True)
