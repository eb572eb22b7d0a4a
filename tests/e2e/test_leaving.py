"""A run that is left: by signals, at the second Ctrl-C, and where nobody could cancel it."""

import os
import signal

import psutil
import pytest

from tests.e2e.conftest import Desk, end
from tests.e2e.terminal import ProgramTerminal, terminal
from tests.support.waiting import until

HELD = "taskflow:\n  - task: {run: 'until [ -e go ]; do sleep 0.1; done; echo it is done'}\n"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_nobody_is_there_who_could_cancel(remote: Desk, number: signal.Signals) -> None:
    remote.write("flow.yaml", HELD)
    starter = remote.start("flow.yaml", "--id", f"alone-{number.name}", "--json")
    until(lambda: b"WorkflowExecutionStarted" in shown(remote, f"alone-{number.name}"), 40)
    starter.send_signal(number)
    ended = end(starter, 20)
    assert (ended.code, ended.json["status"]) == (130, "cancelling")
    assert "is told to cancel, and ends as soon as a worker" in ended.err


def test_temporal_itself_has_paused_the_run(remote: Desk) -> None:
    """`temporal workflow pause`: the run hears nothing, so nobody waits for it, and what to do is told."""
    remote.write("flow.yaml", HELD)
    starter = remote.start("flow.yaml", "--id", "on-ice", "--json")
    until(lambda: b"WorkflowExecutionStarted" in shown(remote, "on-ice"), 40)
    remote.temporal("workflow", "pause", "-w", "on-ice", address=remote.env["TEMPORAL_ADDRESS"])
    starter.send_signal(signal.SIGTERM)
    ended = end(starter, 20)
    assert (ended.code, ended.json["status"]) == (130, "cancelling")
    server = f"--address {remote.env['TEMPORAL_ADDRESS']} --namespace default"
    unpause = f"temporal workflow unpause {server} --workflow-id on-ice"
    told = f"is paused by Temporal, and hears of it once it goes on: {unpause}"
    assert told in ended.err
    cancelled = remote.run("cancel", "on-ice")
    assert (cancelled.out, cancelled.err) == ("run on-ice is being cancelled\n", f"it {told}\n")
    unpaused = remote.run("unpause", "on-ice", "--json")
    assert (unpaused.json["paused"], unpaused.err) == (True, f"run on-ice {told}\n")


def shown(desk: Desk, run_id: str) -> bytes:
    try:
        return desk.temporal("workflow", "show", "-w", run_id, address=desk.env["TEMPORAL_ADDRESS"]).encode()
    except Exception:
        return b""


def test_the_terminal_goes_away_and_the_run_goes_on(desk: Desk) -> None:
    desk.write("flow.yaml", HELD)
    starter = desk.start("flow.yaml", "--id", "held", "--json")
    until(lambda: running(desk), 40)
    starter.send_signal(signal.SIGHUP)
    ended = end(starter, 20)
    assert (ended.code, ended.json["status"]) == (130, "running")
    following = desk.start("resume", "held", "--json")
    assert following.stderr
    # In either order, among what else is told: the server may not know yet who polls when the run is joined.
    awaited = ["run held\n", "served by worker"]
    while awaited:
        line = following.stderr.readline()
        assert line, f"it ended, and did not say {awaited}"
        awaited = [text for text in awaited if text not in line]
    (desk.folder / "go").touch()
    followed = end(following)
    assert (followed.code, followed.json["status"]) == (0, "completed")


def running(desk: Desk) -> bool:
    return "running" in desk.run("list", "--json").out


def test_ctrl_z_and_two_ctrl_c(desk: Desk) -> None:
    desk.write("flow.yaml", HELD)
    with terminal(desk, "flow.yaml", "--id", "held") as screen:
        screen.shows("── held ─")
        until(lambda: not screen.echoes)
        screen.type("\x1a")
        until(lambda: is_stopped(screen))
        assert screen.echoes
        drawn = screen.text.count("── held ─")
        os.kill(screen.pid, signal.SIGCONT)
        until(lambda: screen.text.count("── held ─") > drawn)
        screen.type("\x03")
        screen.shows("detach (it goes on without you) or cancel?")
        screen.type("\x03")
        ended = screen.ended()
    assert ended.code == 0, ended.out
    assert "run held goes on" in ended.out


def is_stopped(screen: ProgramTerminal) -> bool:
    return psutil.Process(screen.pid).status() == psutil.STATUS_STOPPED
