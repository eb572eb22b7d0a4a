"""Runs that start by themselves: a schedule from the terminal, the worker that serves it, and what is told of both."""

from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import Desk, EndedProcess, Scripted, ServedDesk
from tests.support.dev_server import DevServer
from tests.support.scripted_endpoint import Reply
from tests.support.waiting import until

FLOW = """
taskflow:
  - task: {name: names, run: "echo '[1, 2]'"}
  - task:
      name: each
      id: each
      repeat_prompt: true
      agents: [./brief.yaml]
      capture: response
      user_prompt: "{{ globals.word }} {{ result }}"
"""
BROKEN = "taskflow:\n  - task: {name: broken, must_complete: true, run: 'exit 3'}\n"
QUICK = "taskflow:\n  - task: {run: echo quick}\n"
YEARLY = "CRON_TZ=Europe/Berlin 0 6 1 1 *"


def trigger(desk: Desk, schedule_id: str) -> None:
    """As if the time had come."""
    desk.temporal("schedule", "trigger", "-s", schedule_id, address=desk.address)


def schedules(desk: Desk, *ids: str) -> list[dict[str, Any]]:
    """Those of the test, among those of others."""
    found: list[dict[str, Any]] = desk.run("schedule", "list", "--json").json["schedules"]
    return [one for one in found if one["id"] in ids]


def last(desk: Desk, schedule_id: str, state: str) -> str:
    """The last run of the schedule, as soon as it stands so."""

    def runs() -> list[Any]:
        return [one["last_run"] for one in schedules(desk, schedule_id) if one["last_run"]]

    until(lambda: [one["standing"]["state"] for one in runs()] == [state])
    return str(runs()[0]["id"])


def test_a_schedule_from_its_beginning_to_its_end(desk: Desk, scripted: Scripted) -> None:
    file = desk.write("night.yaml", FLOW)
    endpoint = scripted([Reply(text="said $PROMPT")])
    made = desk.run("schedule", "add", "night.yaml", "--cron", YEARLY, "-g", "word=number", "--json")
    assert made.code == 0, made.err
    assert (made.json["schedule_id"], made.json["cron"]) == ("night", YEARLY)
    assert made.json["next_run"].endswith("-01-01T05:00:00+00:00")
    assert "schedule night: the first run of night.yaml starts " in made.err
    assert "runs start while `python starter.py worker` runs" in made.err
    file.unlink()  # the schedule has it all
    worker = desk.worker()
    trigger(desk, "night")
    run_id = last(desk, "night", "completed")
    assert run_id.startswith("night-20")
    assert [one.prompt for one in endpoint.requests] == ["number 1", "number 2"]
    assert [one["id"] for one in desk.run("list", "--json").json["runs"]] == [run_id]
    assert desk.run("status", run_id, "--json").json["outputs"]["each"][1]["result"] == "said number 2"
    row = desk.run("schedule", "list").out.splitlines()[1]
    assert all(part in row for part in ("night.yaml", YEARLY, run_id, "completed"))
    removed = desk.run("schedule", "remove", "night", "--json")
    assert (removed.code, removed.json) == (0, {"schedule_id": "night", "removed": True, "exit_code": 0})
    assert desk.run("schedule", "list").out == "no schedules\n"
    assert desk.run("list", "--json").json["runs"][0]["status"] == "completed"
    worker.terminate()


def test_a_parked_run_holds_up_the_next_ones(desk: Desk) -> None:
    desk.write("broken.yaml", BROKEN)
    assert desk.run("schedule", "add", "broken.yaml", "--cron", "@yearly", "--id", "mine").code == 0
    worker = desk.worker()
    trigger(desk, "mine")
    run_id = last(desk, "mine", "parked")
    status = desk.run("status", run_id, "--json")
    assert [served["pid"] for served in status.json["served_by"]] == [worker.pid]
    assert f"served by worker {worker.pid} in {desk.folder}" in status.err
    trigger(desk, "mine")
    until(lambda: schedules(desk, "mine")[0]["skipped"] == 1)
    told = desk.run("schedule", "list").out
    assert (run_id in told, "parked" in told, "waits: broken failed: exit code 3" in told) == (True, True, True)
    assert desk.run("abort", run_id).code == 1
    found = [one["id"] for one in desk.run("list", "--json").json["runs"]]
    assert [one for one in found if one.startswith("mine")] == [run_id]
    worker.terminate()


def test_one_that_is_there_already(served: ServedDesk) -> None:
    served.write("quick.yaml", QUICK)
    assert served.run("schedule", "add", "quick.yaml", "--cron", "@daily").code == 0
    again = served.run("schedule", "add", "quick.yaml", "--cron", "@hourly")
    assert one_line(again) == (
        "error: schedule quick exists already; remove it first (python starter.py schedule remove quick), "
        "or name the new one (--id)"
    )
    assert served.run("schedule", "add", "quick.yaml", "--cron", "@hourly", "--id", "other").code == 0
    both = {"quick": "@daily", "other": "@hourly"}
    until(lambda: {one["id"]: one["cron"] for one in schedules(served, *both)} == both)


def test_on_a_server_of_ones_own(remote: Desk, dev_server: DevServer) -> None:
    remote.write("quick.yaml", QUICK)
    made = remote.run(
        "schedule", "add", "quick.yaml", "--cron", "@yearly", "--id", str(remote.folder), "--task-queue", "nobody"
    )
    assert made.code == 0, made.err
    assert f"runs wait until a worker serves task queue nobody at {dev_server.address}" in made.err
    assert remote.run("schedule", "remove", str(remote.folder)).code == 0
    assert not remote.state.exists()


def test_what_the_server_refuses(served: ServedDesk) -> None:
    served.write("refused.yaml", QUICK)
    for cron, why in {"61 6 * * *": "Minute is not in range [0-59]", "0 0 31 2 *": "there is no such time"}.items():
        assert (
            one_line(served.run("schedule", "add", "refused.yaml", "--cron", cron))
            == f"error: command line: --cron: '{cron}': {why}"
        )
    assert one_line(served.run("schedule", "remove", "nope")) == "error: there is no schedule nope"
    assert schedules(served, "refused") == []


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["add", "quick.yaml", "--cron", "0", "6"], "give one taskflow: python starter.py schedule add FLOW"),
        (["add", "quick.yaml", "--cron", ""], "--cron: '' is empty; is a variable of the shell not set?"),
        (["add", "quick.yaml", "--cron", "@daily", "--detach"], "no such option: --detach"),
        (["add", "nope.yaml", "--cron", "@daily"], "nope.yaml: no such file"),
    ],
)
def test_words_that_do_not_fit(desk: Desk, words: list[str], says: str) -> None:
    desk.write("quick.yaml", QUICK)
    ended = desk.run("schedule", *words, "--json")
    assert ended.json["exit_code"] == 2
    assert says in one_line(ended)
    assert not Path(desk.state).exists()


def one_line(ended: EndedProcess) -> str:
    """What is said of a mistake."""
    assert ended.code == 2
    *told, line = ended.err.splitlines()
    assert all(before.startswith("served by worker ") for before in told)
    return line
