"""A worker process that begins to load while a flow is read: when, what it becomes, and that it does not stay."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from runtime.local_server import early_worker, worker_locks
from temporal_taskflow import launch


@pytest.fixture(autouse=True)
def _own_state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TASKFLOW_STATE_DIR", str(tmp_path / "state"))
    for name in [name for name in os.environ if name.startswith("TEMPORAL_")]:
        monkeypatch.delenv(name)
    yield
    early_worker.end()


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "worker.log"
    path.touch()
    return path


@pytest.mark.parametrize(
    "words",
    ["flow.yaml", "run flow.yaml -g a=b", "taskflows.examples.hello --dry-run", "-p assistant hello", "-t a.b"],
)
def test_it_is_likely_to_be_needed_by_a_new_run(words: str) -> None:
    assert early_worker.is_likely(words.split(), {"HOME": "/"})


@pytest.mark.parametrize(
    "words",
    ["", "--help", "flow.yaml --help", "--version", "lint flow.yaml", "list", "run flow.yaml --id=x",
     "flow.yaml --task-queue team", "flow.yaml --env-file e", "resume hello-1", "schedule add flow.yaml"],
)  # fmt: skip
def test_it_is_not_by_what_starts_no_run_here(words: str) -> None:
    assert not early_worker.is_likely(words.split(), {})


def test_it_is_not_where_a_server_is_configured() -> None:
    assert not early_worker.is_likely(["flow.yaml"], {"TEMPORAL_ADDRESS": "server:7233"})


def test_it_becomes_the_worker_that_is_asked_for(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the variables and the log that are known only then."""
    early_worker.begin(["flow.yaml"])
    monkeypatch.setenv("COLUMNS", "40")
    process = early_worker.take(["--help"], log)
    assert process
    process.communicate(timeout=60)
    assert process.returncode == 0
    told = log.read_text()
    assert "Usage: worker.py" in told
    assert max(map(len, told.splitlines())) <= 50  # what typer makes of 40; else, lines are longer
    assert early_worker.take(["--help"], log) is None


def test_none_begins_where_a_worker_serves_all_runs() -> None:
    lock = worker_locks.serve_as_worker()
    early_worker.begin(["flow.yaml"])
    assert early_worker._begun == []
    lock.release()
    early_worker.begin(["flow.yaml"])
    assert len(early_worker._begun) == 1


def test_one_that_has_ended_is_not_taken(log: Path) -> None:
    early_worker.begin(["flow.yaml"])
    (process,) = early_worker._begun
    process.kill()
    process.wait()
    assert early_worker.take([], log) is None


def test_one_that_nobody_takes_is_ended() -> None:
    early_worker.begin(["flow.yaml"])
    (process,) = early_worker._begun
    early_worker.end()
    assert process.returncode is not None


def test_it_ends_with_the_process_that_began_it() -> None:
    ended = subprocess.run(
        launch.command("worker.py", "--run", later=True),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=False,
        timeout=60,
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, b"", b"")


def test_what_is_wrong_with_the_state_folder_is_told_later(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state/worker.lock").mkdir()
    assert not worker_locks.is_worker_known()
