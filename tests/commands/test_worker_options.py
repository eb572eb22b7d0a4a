"""The worker's numbers: what is out of all bounds is refused, in one line."""

from pathlib import Path

import pytest

import worker
from grammar.errors import UserError


@pytest.mark.parametrize(
    ("words", "option"),
    [
        ("--max-concurrent-activities 0", "--max-concurrent-activities"),
        ("--max-concurrent-activities 99999999999999999999", "--max-concurrent-activities"),
        ("--max-concurrent-workflow-tasks 1", "--max-concurrent-workflow-tasks"),
        ("--max-concurrent-workflow-tasks 1e3", "--max-concurrent-workflow-tasks"),
        ("--graceful-shutdown-timeout -1", "--graceful-shutdown-timeout"),
        ("--graceful-shutdown-timeout nan", "--graceful-shutdown-timeout"),
        ("--graceful-shutdown-timeout inf", "--graceful-shutdown-timeout"),
        ("--graceful-shutdown-timeout 1e300", "--graceful-shutdown-timeout"),
        ("--require-sandbox none", "--require-sandbox"),
        ("--no-such-option", "--no-such-option"),
    ],
)
def test_out_of_bounds(monkeypatch: pytest.MonkeyPatch, words: str, option: str) -> None:
    monkeypatch.setattr("sys.argv", ["worker.py", *words.split()])
    with pytest.raises(UserError) as told:
        worker.execute()
    assert option in str(told.value)
    assert len(str(told.value).splitlines()) == 1


def test_a_sandbox_that_is_required_must_be_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("sys.argv", ["worker.py"])
    monkeypatch.setenv("TASKFLOW_REQUIRE_SANDBOX", "workspace")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(UserError, match="this worker has no `bwrap`: install it"):
        worker.execute()
