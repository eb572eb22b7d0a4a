"""What a worker on a shared server may be kept to: the variables that flows read there, and the flows themselves."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio.client import Client, ScheduleActionStartWorkflow, WorkflowHandle
from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.worker import Worker

import worker as program
from activities.agents.local_model import LocalModel
from activities.agents.model_clients import ModelClients
from activities.process.secrets import Secrets
from commands import next_steps
from commands.session import RunOptions, Session
from commands.who_serves import WhoServes
from console.screen import open_screen
from grammar.documents.models import Task
from grammar.errors import MissingVariable, ModelAccess, NoValue, TemplateFailed
from grammar.loading.bundle import content_hash
from grammar.messages import names
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.continue_as_new import RunInput
from grammar.messages.run_bundle import Bundle
from grammar.model_access.process_setup import ProcessSetup
from grammar.templating.env_allow import is_allowed
from grammar.templating.redaction import reference
from grammar.templating.templates import Environ
from runtime import this_process
from runtime.backend import Backend
from runtime.runs import schedules
from runtime.sandbox import workflow_runner
from tests.support.dev_server import DevServer
from tests.workflows.conftest import Fakes
from workflows.allowed_flows import AllowedFlows
from workflows.taskflow import TaskflowWorkflow

# Variables


@pytest.mark.parametrize(
    ("patterns", "allowed", "refused"),
    [
        ("GH_*, TOPIC", "GH_TOKEN TOPIC", "gh_token AWS_KEY TOPICS"),
        ("GH_*\tTOPIC\n", "GH_TOKEN TOPIC", "AWS_KEY"),
        (" , ", "GH_TOKEN", ""),
        ("", "GH_TOKEN", ""),
        ("-", "", "GH_TOKEN"),
    ],
)
def test_which_variables_flows_may_read(patterns: str, allowed: str, refused: str) -> None:
    process = {"TASKFLOW_ENV_ALLOW": patterns}
    assert all(is_allowed(name, process) for name in allowed.split())
    assert not any(is_allowed(name, process) for name in refused.split())
    assert is_allowed("GH_TOKEN", {})


def test_env_reads_no_other() -> None:
    env = Environ({"TASKFLOW_ENV_ALLOW": "TOPIC", "TOPIC": "x", "AWS_KEY": "secret"})
    assert env("TOPIC") == "x"
    for more in ({}, {"default": "x"}, {"required": False}):
        with pytest.raises(TemplateFailed, match=r"variable AWS_KEY may not be read .*: TASKFLOW_ENV_ALLOW") as told:
            env("AWS_KEY", **more)
        assert (told.value.retryable, told.value.ends_run, "secret" in str(told.value)) == (False, True, False)
    assert env("NOT_SET", "default") == "default"
    with pytest.raises(MissingVariable):
        env("NOT_SET")
    assert Environ(env.process, {"AWS_KEY": "the task's"})("AWS_KEY") == "the task's"


async def test_no_other_is_sent_as_the_key_of_a_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFLOW_ENV_ALLOW", "TOPIC")
    monkeypatch.setenv("AWS_KEY", "secret")
    models = ModelClients(LocalModel())
    with pytest.raises(ModelAccess, match=r"AWS_KEY may not be read .*: TASKFLOW_ENV_ALLOW"):
        await models.model(ModelSpec(endpoint="http://127.0.0.1:9/v1", token="AWS_KEY"))
    monkeypatch.setenv("TASKFLOW_ENV_ALLOW", "AWS_*")
    await models.model(ModelSpec(endpoint="http://127.0.0.1:9/v1", token="AWS_KEY"))
    await models.close()


def test_no_other_is_put_in_the_place_of_a_reference(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was made on a worker that allows more."""
    monkeypatch.setenv("TASKFLOW_ENV_ALLOW", "TOPIC")
    monkeypatch.setenv("AWS_KEY", "secret")
    monkeypatch.setenv("TOPIC", "x")
    secrets = Secrets(["TOPIC", "AWS_KEY"], "k")
    assert secrets.reveal(reference("TOPIC", "k")) == "x"
    with pytest.raises(NoValue, match=r"AWS_KEY may not be read .*: TASKFLOW_ENV_ALLOW"):
        secrets.reveal(reference("AWS_KEY", "k"))


# Flows


def bundle(name: str, **fields: Any) -> Bundle:
    made = Bundle(name=name, source=f"flows/{name}.yaml", tasks=[Task(name="t", run="ls")], **fields)
    return made.model_copy(update={"hash": content_hash(made)})


NIGHT, OTHER = bundle("night"), bundle("other")


@pytest.mark.parametrize("allowed", ["night", "nig*", "flows/night.yaml", "flows/n*", NIGHT.hash])
def test_a_flow_that_is_allowed(allowed: str) -> None:
    flows = AllowedFlows(["nobody", allowed])
    assert flows.refusal(NIGHT, "run") is None
    assert flows.refusal(RunInput(**dict(NIGHT), carried=None), "run") is None
    assert OTHER.hash in str(flows.refusal(OTHER, "run"))


@pytest.mark.parametrize("allowed", [NIGHT.hash, NIGHT.hash[:12]])
def test_a_flow_that_claims_a_hash(allowed: str) -> None:
    evil = bundle("evil").model_copy(update={"hash": NIGHT.hash})
    assert AllowedFlows([allowed]).refusal(evil, "run")


def test_a_hash_is_given_in_full() -> None:
    """A few of its signs can be met on purpose."""
    assert AllowedFlows([NIGHT.hash[:12]]).refusal(NIGHT, "run")


def test_it_is_told_once_for_each_run(caplog: pytest.LogCaptureFixture) -> None:
    flows = AllowedFlows(["night"])
    for run in ("one", "one", "two"):
        flows.refusal(OTHER, run)
    assert [record.getMessage().partition(":")[0] for record in caplog.records] == ["run one", "run two"]
    assert "flows/other.yaml" in caplog.text and "--allow-flows" in caplog.text


@asynccontextmanager
async def serving(client: Client, queue: str, *allowed: str) -> AsyncIterator[Fakes]:
    fakes = Fakes()
    async with Worker(
        client,
        task_queue=queue,
        workflows=[TaskflowWorkflow],
        activities=[fakes.prepare, fakes.run_agent, fakes.run_shell, fakes.gather],
        workflow_runner=workflow_runner(),
        interceptors=[AllowedFlows(allowed)],
    ):
        yield fakes


async def refused(run: WorkflowHandle[Any, Any]) -> str | None:
    """What the history says of a workflow task that failed."""
    async for event in run.fetch_history_events():
        if event.HasField("workflow_task_failed_event_attributes"):
            return event.workflow_task_failed_event_attributes.failure.message
    return None


async def test_a_run_of_another_flow_is_not_executed(dev_server: DevServer) -> None:
    """It stays as it is, its history says why, and another worker may take it."""
    client = await Client.connect(dev_server.address, data_converter=pydantic_data_converter)
    queue = str(uuid.uuid4())
    run = await client.start_workflow(names.WORKFLOW, OTHER, id=f"{queue}-other", task_queue=queue)
    async with serving(client, queue, "night") as fakes:
        assert await client.execute_workflow(names.WORKFLOW, NIGHT, id=f"{queue}-night", task_queue=queue)
        while (told := await refused(run)) is None:
            await asyncio.sleep(0.05)
    assert "does not execute runs of flows/other.yaml" in told
    assert fakes.deployed == ["ls"], "the one of the flow that is allowed"
    async with serving(client, queue, OTHER.hash) as fakes:
        await run.result()
    assert fakes.deployed == ["ls"]


def test_the_worker_is_told_of_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[program.Limits] = []

    class FakeFamily:
        def __init__(self, _: object, limits: program.Limits, run_id: str | None) -> None:
            given.append(limits)

        def run(self) -> int:
            return 0

    monkeypatch.setattr(program, "family", FakeFamily)
    monkeypatch.setattr("sys.argv", ["worker.py", "--allow-flows", "night", "--allow-flows", NIGHT.hash])
    assert program.execute() == 0
    assert given[0].flows == ("night", NIGHT.hash)


# Task queues


def test_a_run_goes_to_the_queue_that_is_asked_for() -> None:
    for embedded in (True, False):
        assert Session(NIGHT, RunOptions(task_queue="team-a"), open_screen())._new_queue(embedded) == "team-a"
    assert Session(NIGHT, RunOptions(), open_screen())._new_queue(embedded=False) == names.TASK_QUEUE


async def test_the_runs_of_a_schedule_go_there_too(dev_server: DevServer) -> None:
    client = await Client.connect(dev_server.address, data_converter=pydantic_data_converter)
    name = str(uuid.uuid4())
    await schedules.make(client, NIGHT, name, "0 6 * * *", "team-a")
    description = await client.get_schedule_handle(name).describe()
    assert isinstance(description.schedule.action, ScheduleActionStartWorkflow)
    assert description.schedule.action.task_queue == "team-a"
    await schedules.remove(client, name)


def test_the_command_that_starts_a_worker_names_the_queue() -> None:
    assert next_steps.worker("h:1", "team a").endswith("worker --task-queue 'team a'")
    assert next_steps.worker("h:1", names.TASK_QUEUE).endswith("worker")


# Runs of others


def told(started: ProcessSetup | None, capsys: pytest.CaptureFixture[str], quiet: bool = False) -> str:
    lines: list[str] = []
    screen = open_screen(quiet=quiet)
    who = WhoServes(NIGHT, screen, lines.append, yes=False, is_attended=False)
    who._tell_starter("night-1", started)
    return "\n".join(lines) + capsys.readouterr().err


@pytest.mark.parametrize("quiet", [False, True])
def test_who_joins_a_run_of_somebody_else_is_told(capsys: pytest.CaptureFixture[str], quiet: bool) -> None:
    own = this_process.setup()
    assert told(own, capsys, quiet) == ""
    assert told(own.model_copy(update={"user": ""}), capsys, quiet) == ""
    other = own.model_copy(update={"user": "eve", "folder": "/home/eve"})
    assert f"warning: run night-1 was started by eve on {own.host}, in /home/eve: not by you" in told(
        other, capsys, quiet
    )
    assert "was started by" in told(own.model_copy(update={"host": "elsewhere"}), capsys, quiet)
    assert "does not say who started it" in told(None, capsys, quiet)
    assert "\x1b" not in told(own.model_copy(update={"user": "\x1b[2J", "host": "\x1b]0;x\a"}), capsys, quiet)


async def test_it_is_told_before_one_goes_on(dev_server: DevServer) -> None:
    client = await Client.connect(dev_server.address, data_converter=pydantic_data_converter)
    queue = str(uuid.uuid4())
    memo = {names.SETUP_MEMO: this_process.setup().model_copy(update={"user": "eve"})}
    await client.start_workflow(names.WORKFLOW, NIGHT, id=queue, task_queue=queue, memo=memo)
    lines: list[str] = []
    who = WhoServes(NIGHT, open_screen(), lines.append, yes=False, is_attended=False)
    await who.before_going_on(Backend(client, embedded=False), queue, queue, brings_worker=False)
    assert [line for line in lines if "was started by eve" in line]


def test_the_name_of_the_user_is_not_what_the_environment_says(monkeypatch: pytest.MonkeyPatch) -> None:
    before = this_process.setup().user
    for name in ("USER", "LOGNAME"):
        monkeypatch.setenv(name, "eve")
    assert this_process.setup().user == before
