"""A server of one's own, where starters and workers have a key by configuration: programs as people start them."""

from pathlib import Path

from tests.e2e.conftest import Desk, desk, end, remote

__all__ = ["desk", "remote"]
KEY = "k" * 32
FLOW = """
taskflow:
  - task: {name: look, id: look, run: 'echo "key: $TASKFLOW_SIGNING_KEY."'}
"""


def test_a_worker_with_a_key_executes_what_is_signed_with_it(remote: Desk) -> None:
    remote.write("look.yaml", FLOW)
    remote.worker("--task-queue", "taskflow", TASKFLOW_SIGNING_KEY=KEY)
    mine = remote.start("look.yaml", "--json", TASKFLOW_SIGNING_KEY=KEY)
    others = [
        remote.start("look.yaml", "--json"),
        remote.start("look.yaml", TASKFLOW_SIGNING_KEY="another" * 8),
    ]
    ended = end(mine)
    assert (ended.code, ended.json["outputs"]) == (0, {"look": "key: .\n"})
    unsigned, foreign = map(end, others)
    assert (unsigned.code, unsigned.json["failure"]["type"]) == (1, "NotSigned")
    assert foreign.code == 1
    assert "✗ look: NotSigned: its input is not signed by the owner of this worker" in foreign.out
    assert "NotSigned: start it with python starter.py, as the user of the worker" in foreign.out


def test_a_key_that_cannot_be_used_is_one_clear_line(remote: Desk, tmp_path: Path) -> None:
    remote.write("look.yaml", FLOW)
    refused = remote.run("look.yaml", TASKFLOW_SIGNING_KEY_FILE=str(tmp_path / "none"))
    assert (refused.code, refused.out) == (2, "")
    assert (
        refused.err
        == f"error: TASKFLOW_SIGNING_KEY_FILE: {tmp_path / 'none'} cannot be read: No such file or directory\n"
    )
