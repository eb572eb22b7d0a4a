"""Servers, workers and starters, side by side and one after the other."""

import signal

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from runtime import sandbox
from runtime.local_server import worker_locks
from runtime.sandbox import workflow_runner
from tests.e2e.conftest import Desk, end
from tests.support.dev_server import DevServer
from tests.support.waiting import until
from workflows.taskflow import TaskflowWorkflow

QUICK = "taskflow:\n  - task: {run: echo quick}\n"
HELD = """
taskflow:
  - task: {name: held, run: "touch held; while [ ! -e go ]; do sleep 0.05; done; echo went on"}
"""


def test_second_starter_ends_first(desk: Desk) -> None:
    desk.write("quick.yaml", QUICK)
    desk.write("held.yaml", HELD)
    first = desk.start("held.yaml")
    until(lambda: (desk.folder / "held").exists())
    assert desk.run("quick.yaml").code == 0
    (desk.folder / "go").touch()
    assert end(first).code == 0


def test_first_starter_ends_first(desk: Desk) -> None:
    desk.write("quick.yaml", HELD.replace("touch held; ", "").replace("-e go", "-e held"))
    desk.write("held.yaml", HELD)
    first, second = desk.start("quick.yaml"), desk.start("held.yaml")
    assert end(first).code == 0
    (desk.folder / "go").touch()
    ended = end(second)
    assert (ended.code, "went on" in ended.err) == (0, True)


def test_nothing_is_left_behind(desk: Desk) -> None:
    desk.write("quick.yaml", QUICK)
    assert desk.run("quick.yaml").code == 0
    until(lambda: not desk.processes())


def test_a_server_that_does_not_start_is_told(desk: Desk) -> None:
    """The worker, which is started beside it, is not left behind."""
    (desk.state / "temporal.db").mkdir(parents=True)
    desk.write("quick.yaml", QUICK)
    ended = desk.run("quick.yaml")
    assert (ended.code, "the embedded Temporal server did not start" in ended.err) == (2, True)
    until(lambda: not desk.processes())


def test_interrupted_without_a_terminal_cancels(desk: Desk) -> None:
    desk.write("held.yaml", HELD)
    starter = desk.start("held.yaml", "--json")
    until(lambda: (desk.folder / "held").exists())
    starter.send_signal(signal.SIGINT)
    ended = end(starter)
    assert (ended.code, ended.json["status"], ended.json["tasks"][0]["status"]) == (130, "cancelled", "cancelled")
    until(lambda: not desk.processes())


def test_detached_run_goes_on(desk: Desk) -> None:
    desk.write("held.yaml", HELD)
    assert desk.run("held.yaml", "--detach", "--id", "held").code == 0
    until(lambda: (desk.folder / "held").exists())
    (desk.folder / "go").touch()
    until(lambda: not desk.processes(), 40)
    again = desk.run("held.yaml", "--id", "held")
    assert again.code == 2
    assert "error: run held has already ended (completed); choose another --id" in again.err


def test_keep_holds_the_server_until_interrupted(desk: Desk) -> None:
    desk.write("quick.yaml", QUICK)
    starter = desk.start("quick.yaml", "--keep")
    assert starter.stderr
    while "Ctrl-C to end" not in (line := starter.stderr.readline()):
        assert line
    assert any("runtime.local_server.supervisor" in one.cmdline() for one in desk.processes())
    starter.send_signal(signal.SIGINT)
    assert end(starter).code == 0
    until(lambda: not desk.processes())


def test_no_worker_is_told(desk: Desk, lone_server: DevServer) -> None:
    desk.env["TEMPORAL_ADDRESS"] = lone_server.address
    desk.write("quick.yaml", QUICK)
    starter = desk.start("quick.yaml")
    assert starter.stderr
    while "no worker serves" not in (line := starter.stderr.readline()):
        assert line
    assert f"TEMPORAL_ADDRESS={lone_server.address} python starter.py worker" in line
    desk.worker()
    assert end(starter).code == 0


def test_worker_stops_gracefully(remote: Desk) -> None:
    """Told to stop, it lets the running activity finish, and takes no new one."""
    remote.write("held.yaml", HELD)
    serving = remote.worker("--task-queue", "taskflow")
    starter = remote.start("held.yaml", "--id", str(remote.folder))
    until(lambda: (remote.folder / "held").exists())
    serving.send_signal(signal.SIGTERM)
    assert serving.stderr
    assert any("running activities get their time" in line for line in serving.stderr)
    (remote.folder / "go").touch()
    assert serving.wait(timeout=40) == 0
    remote.worker()
    ended = end(starter)
    assert (ended.code, ended.err.count("went on")) == (0, 1), ended.err


@pytest.mark.parametrize("program", ["starter.py", "worker.py"])
def test_help(desk: Desk, program: str) -> None:
    ended = end(desk.popen(program, "--help"))
    assert (ended.code, ended.err) == (0, "")
    assert program in ended.out


async def test_a_busy_workflow_is_not_taken_for_one_that_hangs(dev_server: DevServer) -> None:
    """sandbox.set_deadlock_timeout sets what the SDK has no option for: here it shows if that has moved."""
    client = await Client.connect(dev_server.address)
    made = Worker(client, task_queue="busy", workflows=[TaskflowWorkflow], workflow_runner=workflow_runner())
    assert made._workflow_worker
    assert made._workflow_worker._deadlock_timeout_seconds == 2
    sandbox.set_deadlock_timeout(made)
    assert made._workflow_worker._deadlock_timeout_seconds == sandbox.DEADLOCK_TIMEOUT


def test_a_worker_whose_run_another_one_serves_ends_with_its_starter(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TASKFLOW_STATE_DIR", str(desk.state))
    desk.state.mkdir()
    lock = worker_locks.serve_run("taskflow/adopted")
    assert lock
    ended = end(desk.popen("worker.py", "--run", "adopted", "--task-queue", "taskflow/adopted"))
    assert ended.code == 0, ended.err
    lock.release()
