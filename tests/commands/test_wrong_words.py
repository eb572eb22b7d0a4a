"""Wrong words for each command: one clear line, exit code 2, nothing done; never a traceback. On a real server."""

import asyncio
import re
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import Client, Schedule, ScheduleActionStartWorkflow, ScheduleAlreadyRunningError, ScheduleSpec
from temporalio.common import WorkflowIDConflictPolicy
from temporalio.contrib.pydantic import pydantic_data_converter
from typer.main import get_group

from commands import program as program_module
from commands.checked_words import LONGEST_ID
from grammar.errors import UserError
from grammar.exit_codes import ExitCode
from grammar.messages.names import WORKFLOW
from tests.support.dev_server import DevServer

USE_EXISTING = WorkflowIDConflictPolicy.USE_EXISTING
WITH_RUN = [
    *("status", "manifest", "logs", "report", "resume", "retry", "skip", "abort", "approve", "reject", "pause"),
    *("unpause", "cancel", "set-output ID 1", "raise ID usd=1", "run flow.yaml --from"),
]
WITH_ID = [*WITH_RUN, "run flow.yaml --id", "schedule remove", "schedule add flow.yaml --cron @daily --id"]
# What they say needs no bundle.
SIGNALLING = ("pause", "unpause", "cancel")
NO_ID = {
    "": "'' is empty; is a variable of the shell not set?",
    " \t": r"' \t' is empty",
    "x" * 1001: f"an id has at most {LONGEST_ID:,} characters, and this one 1,001",
    "é" * 501: "an id has at most 1,000 characters, and this one 501",
    "a\x1b[31mb": r"'a\x1b[31mb' can be no id: it has signs that cannot be printed",
    "a\nb": r"'a\nb' can be no id",
    "a\udcffb": r"'a\udcffb' is not UTF-8 text",
}


@pytest.fixture(scope="module")
def filled(dev_server: DevServer) -> DevServer:
    """A server with what is no run that this version could read; nobody serves any of it.

    It may be there already: tests of other files come in between.
    """

    async def fill() -> None:
        client = await Client.connect(dev_server.address, data_converter=pydantic_data_converter)
        start = partial(client.start_workflow, task_queue="nobody", id_conflict_policy=USE_EXISTING)
        await start("Somebody", "x", id="theirs")
        await start(WORKFLOW, {"what": "of another version"}, id="older")
        await start(WORKFLOW, id="bare", memo={"standing": 1, "started_with": [1]})
        action = ScheduleActionStartWorkflow("Somebody", id="x", task_queue="nobody")
        with suppress(ScheduleAlreadyRunningError):
            await client.create_schedule("nightly", Schedule(action, ScheduleSpec(cron_expressions=["0 0 1 1 *"])))

    asyncio.run(fill())
    return dev_server


@pytest.fixture
def server(filled: DevServer, here: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[DevServer]:
    """The server is the configured one."""
    monkeypatch.setenv("TEMPORAL_ADDRESS", filled.address)
    monkeypatch.setenv("TASKFLOW_STATE_DIR", str(here / "state"))
    (here / "flow.yaml").write_text("taskflow:\n  - task: {name: a, run: ls}\n")
    yield filled
    assert not (here / "state").exists(), "no embedded server was started"


def refused(monkeypatch: pytest.MonkeyPatch, words: list[str]) -> str:
    """The one line that is said of the words."""
    monkeypatch.setattr("sys.argv", ["starter.py", *words])
    with pytest.raises(UserError) as told:
        program_module.execute()
    assert told.value.exit_code == ExitCode.BAD_INPUT
    assert str(told.value).isprintable()
    assert len(str(told.value)) < 1200
    return str(told.value)


def with_id(command: str, given: str) -> list[str]:
    words = command.split()
    return [given if word == "ID" else word for word in words] if "ID" in words else [*words, given]


def test_each_command_with_an_id_is_here() -> None:
    commands: Any = get_group(program_module.app).commands
    taking = {name for name, command in commands.items() if any(param.metavar == "ID" for param in command.params)}
    assert taking - {"run"} == {command.split()[0] for command in WITH_RUN} - {"run"}


@pytest.mark.parametrize("given", NO_ID, ids=range(len(NO_ID)))
@pytest.mark.parametrize("command", WITH_ID)
def test_what_can_be_no_id(server: DevServer, monkeypatch: pytest.MonkeyPatch, command: str, given: str) -> None:
    name = command.rsplit(maxsplit=1)[-1] if command.endswith(("--id", "--from")) else "ID"
    assert refused(monkeypatch, with_id(command, given)).startswith(f"command line: {name}: {NO_ID[given]}")


@pytest.mark.parametrize("given", ["nowhere", "nightly", 'a"b', "*", "{"])
@pytest.mark.parametrize("command", [*WITH_RUN, "schedule remove"])
def test_an_id_of_nothing(server: DevServer, monkeypatch: pytest.MonkeyPatch, command: str, given: str) -> None:
    """A schedule is no run; and one that starts other workflows than taskflows is somebody else's."""
    told = refused(monkeypatch, with_id(command, given))
    assert re.fullmatch(rf"there is no (open )?(run|schedule) {re.escape(given)}", told)


@pytest.mark.parametrize("command", [*WITH_RUN, "run flow.yaml --id"])
def test_an_id_of_somebody_elses_workflow(server: DevServer, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    told = refused(monkeypatch, with_id(command, "theirs"))
    assert told == "theirs is no run of a taskflow: it is a workflow of the type Somebody"


@pytest.mark.parametrize("given", ["older", "bare"])
@pytest.mark.parametrize("command", [command for command in WITH_RUN if command not in SIGNALLING])
def test_a_run_of_another_version(server: DevServer, monkeypatch: pytest.MonkeyPatch, command: str, given: str) -> None:
    told = refused(monkeypatch, with_id(command, given))
    assert told == f"run {given} cannot be read: another version of taskflow has started it"


def test_runs_of_other_versions_are_listed(
    server: DevServer, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["starter.py", "list"])
    assert program_module.execute() == ExitCode.DONE
    listed = {line.split()[0] for line in capsys.readouterr().out.splitlines()[1:]}
    assert {"older", "bare"} <= listed
    assert "theirs" not in listed


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["run", "flow.yaml", "-m", ""], "-m: '' is empty"),
        (["run", "-p", "", "hello"], "-p: '' is empty"),
        (["run", ""], "FLOW: '' is empty"),
        ([" "], "FLOW: ' ' is empty"),
        (["run", "flow.yaml", "--from", "x", "--from-task", ""], "--from-task: '' is empty"),
        (["run", "flow.yaml", "--from", "x", "--from-task", "a\udcff"], r"--from-task: 'a\udcff' is not UTF-8 text"),
        (["run", "flow.yaml", "-g", "a\udcff=1"], "is not UTF-8 text"),
        (["lint", ""], "FLOW: '' is empty"),
        (["graph", ""], "FLOW: '' is empty"),
        (["models", ""], "FLOW: '' is empty"),
        (["schedule", "add", "", "--cron", "@daily"], "FLOW: '' is empty"),
        (["schedule", "add", "flow.yaml", "--cron", "* * * * x"], "--cron: "),
        (["schedule", "add", "flow.yaml", "--cron", "a\udcff"], r"--cron: 'a\udcff' is not UTF-8 text"),
        (["list", "--status", ""], "--status: '' is empty"),
        (["list", "--name", ""], "--name: '' is empty"),
        (["list", "--name", "a\udcff"], r"--name: 'a\udcff' is not UTF-8 text"),
        (["list", "--since", ""], "--since: '' is empty"),
        (["prune", "--older", ""], "--older: "),
        (["logs", "x", "--task", ""], "--task: '' is empty"),
        (["retry", "x", "--task", "a\udcff"], r"--task: 'a\udcff' is not UTF-8 text"),
        (["approve", "x", ""], "CALL: '' is empty"),
        (["reject", "x", "--reason", "a\udcff"], r"--reason: 'a\udcff' is not UTF-8 text"),
        (["schema", "\x1b[31m"], "KIND: "),
        (["set-output", "x", ""], "JSON: not JSON (Expecting value"),
        (["set-output", "x", "{"], "JSON: not JSON (Expecting property name"),
        (["set-output", "x", "[NaN]"], "JSON: not JSON (NaN is none of its numbers)"),
        (["set-output", "x", "1e999"], "JSON: not JSON (Out of range"),
        (["set-output", "x", "9" * 5000], "JSON: not JSON (Exceeds the limit"),
        (["set-output", "x", "[" * 100_000], "JSON: it is nested too deeply"),
        *((words, "no taskflow of that name") for words in (["x" * 5000], ["a.b"], ["graph", "a\x1b\n"])),
        *((words, "no taskflow of that name") for words in (["run", "{"], ["models", "a\udcffb"])),
    ],
)
def test_other_words(server: DevServer, monkeypatch: pytest.MonkeyPatch, words: list[str], says: str) -> None:
    assert says in refused(monkeypatch, words)


def test_an_id_that_the_server_refuses(server: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """Temporal puts something before a schedule's id; and other servers may have other limits."""
    words = ["schedule", "add", "flow.yaml", "--cron", "@daily", "--id", "x" * 990]
    says = f"the Temporal server at {server.address} refuses: WorkflowId exceeds maximum allowed length (1013/1000)"
    assert refused(monkeypatch, words) == says
