"""Signals and updates of runs that take signed ones only: what is held back is released by the owner alone."""

import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from temporalio.api.common.v1 import Header, Payload, Payloads, WorkflowExecution
from temporalio.api.history.v1 import WorkflowExecutionSignaledEventAttributes
from temporalio.api.workflowservice.v1 import SignalWorkflowExecutionRequest
from temporalio.bridge.proto.workflow_activation import DoUpdate, SignalWorkflow
from temporalio.client import Client, WorkflowUpdateFailedError
from temporalio.exceptions import ApplicationError

from grammar.documents.models import Task
from grammar.errors import UserError
from grammar.messages.reports import Decision
from runtime.runs import finding, runs, signals
from runtime.signing import keys, signed_signals
from runtime.signing.signature import Signer
from runtime.signing.signed_signals import PLAIN, SignedSignals
from tests.security.owner import Failing, Owner, WorkerLog, owner, parked, stranger
from tests.support.dev_server import DevServer
from tests.support.waiting import until_async
from workflows.taskflow import TaskflowWorkflow

FIRST = Task(name="first", run="first", must_complete=True)
SECOND = Task(name="second", run="second", must_complete=True)
MESSAGES: dict[str, list[Any]] = {
    "retry": [], "skip": [], "set_output": ["forged"], "decide": [{"action": "skip"}], "approve": ["x"], "unpause": [],
    "approve_always": ["x"], "reject": ["x"], "retry_call": ["x"], "skip_call": ["x"],
    "raise_budget": [{"usd": 1}],
}  # fmt: skip


@pytest.fixture(autouse=True)
def wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFLOW_SIGNED_SIGNALS", "1")


@asynccontextmanager
async def parked_run(server: DevServer) -> AsyncIterator[tuple[Owner, runs.Handle, runs.Handle]]:
    """A run whose first task waits for a decision, with its owner's handle, and a stranger's."""
    mine = await owner(server)
    mine.fakes.shell = Failing("first", "second")
    async with mine.working():
        run = await mine.start(FIRST, SECOND)
        await until_async(lambda: parked(mine.client, run.id))
        yield mine, run, runs.handle(await stranger(server), run.id)


async def first_note(client: Client, run_id: str) -> str:
    return (await runs.report(client, run_id)).tasks[0].note


def test_these_are_all_messages() -> None:
    definition = TaskflowWorkflow.__temporal_workflow_definition  # type: ignore[attr-defined]
    assert {*MESSAGES, *PLAIN} == {*definition.signals} == {*definition.updates}


async def test_the_owners_decision_is_taken(dev_server: DevServer) -> None:
    async with parked_run(dev_server) as (mine, run, _):
        await signals.decide(run, Decision(action="skip"))
        await until_async(lambda: first_note(mine.client, run.id))


async def test_somebody_elses_signals_are_not_taken(dev_server: DevServer, log: WorkerLog) -> None:
    async with parked_run(dev_server) as (mine, run, theirs):
        for name, arguments in MESSAGES.items():
            await theirs.signal(name, args=arguments)
        await until_async(lambda: refused(log, len(MESSAGES)))
        assert await parked(mine.client, run.id)
    async with mine.working():  # it replays them, and goes on
        await run.signal("set_output", args=["mine"])
        await until_async(lambda: first_note(mine.client, run.id))
    assert len(log.lines) == len(MESSAGES)
    assert f"run '{run.id}' does not take 'retry' from" in log.lines[0]


async def refused(log: WorkerLog, count: int) -> bool:
    return len(log.lines) >= count


async def test_somebody_elses_updates_are_not_taken(dev_server: DevServer) -> None:
    async with parked_run(dev_server) as (mine, run, theirs):
        for name, arguments in MESSAGES.items():
            with pytest.raises(WorkflowUpdateFailedError) as failed:
                await theirs.execute_update(name, args=arguments)
            assert isinstance(failed.value.cause, ApplicationError)
            assert failed.value.cause.type == "NotSigned"
        assert await parked(mine.client, run.id)


async def test_anybody_may_hold_a_run_or_end_it(dev_server: DevServer) -> None:
    async with parked_run(dev_server) as (mine, run, theirs):
        await theirs.signal("pause")
        await theirs.execute_update("abort")
        report = await runs.outcome(run, await finding.bundle_of(mine.client, run.id))
    assert (report.status, report.failure and report.failure.type) == ("failed", "ShellFailed")


async def test_where_it_is_not_wanted_any_signal_is_taken(
    dev_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("TASKFLOW_SIGNED_SIGNALS")
    async with parked_run(dev_server) as (mine, run, theirs):
        await theirs.signal("skip")
        await until_async(lambda: first_note(mine.client, run.id))


async def test_a_signal_is_not_taken_a_second_time(dev_server: DevServer, log: WorkerLog) -> None:
    async with parked_run(dev_server) as (mine, run, _):
        await run.signal("skip")
        await until_async(lambda: first_note(mine.client, run.id))
        await until_async(lambda: parked(mine.client, run.id))
        await send_again(await stranger(dev_server), run.id, await last_signal(run))
        await until_async(lambda: refused(log, 1))
        assert await parked(mine.client, run.id)


async def last_signal(run: runs.Handle) -> WorkflowExecutionSignaledEventAttributes:
    signaled = [
        event.workflow_execution_signaled_event_attributes
        async for event in run.fetch_history_events()
        if event.HasField("workflow_execution_signaled_event_attributes")
    ]
    return signaled[-1]


async def send_again(client: Client, run_id: str, signal: WorkflowExecutionSignaledEventAttributes) -> None:
    await client.workflow_service.signal_workflow_execution(
        SignalWorkflowExecutionRequest(
            namespace="default",
            workflow_execution=WorkflowExecution(workflow_id=run_id),
            signal_name=signal.signal_name,
            request_id=str(uuid.uuid4()),
            input=Payloads(payloads=signal.input.payloads),
            header=Header(fields=dict(signal.header.fields)),
        )
    )


# What a signature is about


def text(value: str) -> Payload:
    return Payload(metadata={"encoding": b"json/plain"}, data=value.encode())


def taking(signer: Signer, run_id: str = "run") -> SignedSignals:
    run_input = text("{}")
    signed_signals.require(run_input)
    return SignedSignals(signer, "default", run_id, run_input)


def signal(signer: Signer, name: str = "set_output", value: str = '"a"', run_id: str = "run") -> SignalWorkflow:
    header = signed_signals.header(signer, "default", run_id, name, [text(value)])
    return SignalWorkflow(signal_name=name, input=[text(value)], headers=header)


def test_a_signal_is_taken_as_it_was_sent_alone() -> None:
    signer = keys.new()
    assert taking(signer).takes_signal(signal(signer))
    assert not taking(signer).takes_signal(signal(keys.new()))
    assert not taking(signer, "another").takes_signal(signal(signer))
    changed = [signal(signer) for _ in range(3)]
    changed[0].input[0].data = b'"b"'
    changed[1].input.append(text('"b"'))
    changed[2].signal_name = "approve"
    assert not any(taking(signer).takes_signal(one) for one in changed)


def test_an_update_in_the_history_was_taken() -> None:
    signer = keys.new()
    update = DoUpdate(name="retry", run_validator=False)
    assert taking(signer).takes_update(update)
    update.run_validator = True
    assert not taking(signer).takes_update(update)


def test_the_next_history_knows_which_were_taken() -> None:
    signer, next_input = keys.new(), text("{}")
    sent = signal(signer)
    before = taking(signer)
    assert before.takes_signal(sent)
    before.carry(next_input)
    after = SignedSignals(signer, "default", "run", next_input)
    assert not after.takes_signal(sent)
    assert not after.takes_signal(SignalWorkflow(signal_name="retry"))
    assert after.takes_signal(signal(signer))


def test_a_server_of_ones_own_needs_a_key_for_it() -> None:
    with pytest.raises(UserError, match="TASKFLOW_SIGNED_SIGNALS is set: with a server of your own, it needs TASKFLOW"):
        keys.configured()
