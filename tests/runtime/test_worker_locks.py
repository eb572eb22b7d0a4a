"""Locks that say who serves what; across processes, and after a kill."""

import subprocess
import sys
from pathlib import Path

import pytest

from runtime.local_server import worker_locks

HOLD = """
import sys
from runtime.local_server import worker_locks
kept = worker_locks.serve_as_worker(), worker_locks.serve_run("run-1")
print(kept[1] is not None, flush=True)
sys.stdin.read()
"""


@pytest.fixture(autouse=True)
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TASKFLOW_STATE_DIR", str(tmp_path))
    return tmp_path


def test_worker_is_present_until_it_releases() -> None:
    assert not worker_locks.worker_present()
    first, second = worker_locks.serve_as_worker(), worker_locks.serve_as_worker()
    assert worker_locks.worker_present()
    first.release()
    assert worker_locks.worker_present()
    second.release()
    assert not worker_locks.worker_present()


def test_run_is_served_once(state: Path) -> None:
    served = worker_locks.serve_run("a/../b")
    assert served is not None
    assert worker_locks.serve_run("a/../b") is None
    other = worker_locks.serve_run("another")
    assert other is not None
    served.release()
    again = worker_locks.serve_run("a/../b")
    assert again is not None
    again.release()
    other.release()
    assert list((state / "runs").iterdir()) == []


def test_killed_process_holds_nothing() -> None:
    command = [sys.executable, "-c", HOLD]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        assert holder.stdout is not None
        assert holder.stdout.readline() == b"True\n"
        assert worker_locks.worker_present()
        assert worker_locks.serve_run("run-1") is None
        holder.kill()
        holder.wait()
    assert not worker_locks.worker_present()
    served = worker_locks.serve_run("run-1")
    assert served is not None
    served.release()
