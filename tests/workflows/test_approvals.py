"""Calls that wait for a person: legs, signals, updates (specification sections 6 and 9)."""

from datetime import timedelta
from typing import Any

import pytest
from temporalio.client import WorkflowFailureError, WorkflowHandle, WorkflowUpdateFailedError

from grammar.documents.models import Task
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import BranchResult, Leg, PendingCall
from grammar.messages.events import RunEvents
from grammar.messages.names import OVERVIEW_MEMO
from grammar.messages.reports import Approval, Manifest, Rejection, RunOverview, RunReport
from runtime.runs import standing
from tests.support.waiting import until_async
from tests.workflows.conftest import FlowRunner, ask, said

pytestmark = pytest.mark.asyncio(loop_scope="session")
Handle = WorkflowHandle[Any, RunReport]


def asking(*tools: str, prompt: str = "") -> Any:
    """An agent that asks for these calls in its first leg, and tells in its second what was said."""

    def answer(request: AgentRequest) -> BranchResult:
        if prompt not in request.prompt:
            return said(request.prompt)
        if request.leg is None:
            calls = [PendingCall(id=f"c{i}", tool=tool, toolbox="box", arguments="{}") for i, tool in enumerate(tools)]
            return BranchResult(leg=Leg(state={"turn": 1}, calls=calls))
        assert request.leg.state == {"turn": 1}
        return said(" ".join(f"{decision.id}:{decision.approved}:{decision.reason}" for decision in request.verdicts))

    return answer


async def open_calls(handle: Handle, count: int) -> list[Approval]:
    """The calls that wait, as soon as there are so many."""

    async def found() -> list[Approval] | None:
        report: RunReport = await handle.query("status", result_type=RunReport)
        return report.approvals if len(report.approvals) == count else None

    return await until_async(found)


async def ended(runner: FlowRunner, handle: Handle) -> RunReport:
    """The report at the end. Time must not be skipped meanwhile: nothing but a person ends the wait."""
    with runner.env.auto_time_skipping_disabled():
        return await handle.result()


async def test_approve_and_reject_by_signal(runner: FlowRunner) -> None:
    runner.fakes.agent = asking("wipe", "push")
    handle = await runner.start(ask("t", id="x"))
    wipe, push = await open_calls(handle, 2)
    assert (wipe.id, wipe.tool, wipe.task, push.id) == ("task-1-call-1", "wipe", "t", "task-1-call-2")
    await handle.signal("approve", wipe.id)
    await handle.signal("reject", push.id)
    assert (await ended(runner, handle)).outputs["x"] == "c0:True: c1:False:"


async def test_approve_and_reject_by_update(runner: FlowRunner) -> None:
    runner.fakes.agent = asking("wipe", "push")
    handle = await runner.start(ask("t", id="x"))
    wipe, push = await open_calls(handle, 2)
    await handle.execute_update("approve", wipe.id)
    await handle.execute_update("reject", Rejection(id=push.id, reason="not today"))
    report = await ended(runner, handle)
    assert report.outputs["x"] == "c0:True: c1:False:not today"
    assert report.approvals == []


async def grant(handle: Handle, how: str, call: str) -> None:
    await (handle.signal if how == "signal" else handle.execute_update)("approve_always", call)


@pytest.mark.parametrize("how", ["signal", "update"])
async def test_a_tool_is_approved_for_the_rest_of_the_run(runner: FlowRunner, how: str) -> None:
    """The calls of it that are open, and those to come; no other tool's."""
    runner.fakes.agent = asking("wipe", "push", "wipe")
    handle = await runner.start(ask("t", id="x"), ask("later", id="y"))
    wipe, push, _ = await open_calls(handle, 3)
    await grant(handle, how, wipe.id)
    assert await open_calls(handle, 1) == [push]
    await handle.signal("approve", push.id)
    (later,) = await until_async(lambda: calls_of(handle, "later"))
    assert later.tool == "push"
    await handle.signal("reject", later.id)
    report = await ended(runner, handle)
    assert report.outputs == {"x": "c0:True: c1:True: c2:True:", "y": "c0:True: c1:False: c2:True:"}
    journal: RunEvents = await handle.query("journal", 0, result_type=RunEvents)
    given = [entry.approval.id for entry in journal.entries if entry.kind == "approval_given" and entry.approval]
    assert sorted(given) == [f"task-{task}-call-{call}" for task in (1, 2) for call in (1, 2, 3)]


async def calls_of(handle: Handle, task: str) -> list[Approval]:
    report: RunReport = await handle.query("status", result_type=RunReport)
    return [approval for approval in report.approvals if approval.task == task]


async def test_an_interrupted_call_is_never_approved_with_others(runner: FlowRunner) -> None:
    def answer(request: AgentRequest) -> BranchResult:
        calls = [PendingCall(id="0", tool="wipe", toolbox="box", arguments="{}")]
        if request.leg is None:
            return BranchResult(leg=Leg(state={"turn": 1}, calls=calls))
        if not request.outcomes:
            return BranchResult(leg=Leg(reason="unknown_outcome", calls=calls))
        return said(str(request.outcomes[0]))

    runner.fakes.agent = answer
    handle = await runner.start(ask("t", id="x"))
    (wipe,) = await open_calls(handle, 1)
    await handle.execute_update("approve_always", wipe.id)

    async def interrupted() -> list[Approval]:
        return [call for call in await open_calls(handle, 1) if call.kind == "unknown_outcome"]

    (again,) = await until_async(interrupted)
    with pytest.raises(WorkflowUpdateFailedError):
        await handle.execute_update("approve_always", again.id)
    await handle.signal("approve_always", again.id)  # ignored
    await handle.execute_update("skip_call", again.id)
    assert (await ended(runner, handle)).outputs["x"] == "False"


async def test_an_update_for_a_call_that_is_not_open_is_refused(runner: FlowRunner) -> None:
    runner.fakes.agent = asking("wipe")
    handle = await runner.start(ask("t"), ask("u"))
    (wipe,) = await open_calls(handle, 1)
    with pytest.raises(WorkflowUpdateFailedError) as refused:
        await handle.execute_update("approve", "task-9-call-1")
    assert "no call 'task-9-call-1' waits for approval (open: task-1-call-1)" in str(refused.value.cause)
    await handle.signal("approve", "task-9-call-1")  # ignored
    await handle.execute_update("approve", wipe.id)
    with pytest.raises(WorkflowUpdateFailedError):
        await handle.execute_update("reject", wipe.id)
    (other,) = await open_calls(handle, 1)  # without it, the run may have ended before the answer above
    await handle.execute_update("approve", other.id)
    assert (await ended(runner, handle)).status == "completed"


async def test_branches_that_wait_leave_their_place_to_others(runner: FlowRunner) -> None:
    runner.fakes.items = {"t": [1, 2, 3]}
    runner.fakes.agent = asking("wipe", prompt="t 1")
    handle = await runner.start(ask("t", id="x", over="x"))
    (wipe,) = await open_calls(handle, 1)
    assert wipe.branch == "item 1 of 3"

    async def others_done() -> bool:
        return runner.fakes.deployed[-1:] == ["t 3"]

    await until_async(others_done)
    manifest: Manifest = await handle.query("manifest", result_type=Manifest)
    assert [branch.status for branch in manifest.branches] == ["waiting", "done", "done"]
    await handle.execute_update("approve", wipe.id)
    listed: Any = (await ended(runner, handle)).outputs["x"]
    assert [entry["result"] for entry in listed] == ["c0:True:", "t 2", "t 3"]
    assert runner.fakes.most_running == 1


async def test_the_wait_may_last_for_days(runner: FlowRunner) -> None:
    runner.fakes.agent = asking("wipe")
    handle = await runner.start(ask("t", id="x", schedule_to_close_timeout="1m"))
    (wipe,) = await open_calls(handle, 1)
    await runner.env.sleep(timedelta(days=30))
    await handle.signal("approve", wipe.id)
    assert (await ended(runner, handle)).status == "completed"


async def test_a_second_leg_may_ask_again(runner: FlowRunner) -> None:
    def answer(request: AgentRequest) -> BranchResult:
        turn = len(request.verdicts) and request.leg and request.leg.state["turn"]
        if turn == 2:
            return said("done")
        calls = [PendingCall(id="c", tool="wipe", toolbox="box", arguments="{}")]
        return BranchResult(leg=Leg(state={"turn": 2 if request.leg else 1}, calls=calls))

    runner.fakes.agent = answer
    handle = await runner.start(ask("t", id="x"))
    for number in (1, 2):
        (wipe,) = await open_calls(handle, 1)
        assert wipe.id == f"task-1-call-{number}"
        await handle.execute_update("approve", wipe.id)
    assert (await ended(runner, handle)).outputs["x"] == "done"


async def test_followers_hear_of_it(runner: FlowRunner) -> None:
    runner.fakes.agent = asking("wipe")
    handle = await runner.start(ask("t"))
    (wipe,) = await open_calls(handle, 1)
    journal: RunEvents = await handle.query("journal", 0, result_type=RunEvents)
    assert [entry.kind for entry in journal.entries] == ["task_started", "leg_ended", "approval_asked"]
    assert journal.approvals == [wipe]
    await handle.execute_update("reject", Rejection(id=wipe.id, reason="no"))
    await ended(runner, handle)
    journal = await handle.query("journal", 3, result_type=RunEvents)
    given = journal.entries[0]
    assert (given.kind, given.status, given.note) == ("approval_given", "rejected", "no")


@pytest.mark.parametrize("task", [ask("t"), ask("t", over="x", async_limit=1)], ids=["alone", "others wait behind it"])
async def test_a_run_that_waits_can_be_cancelled(runner: FlowRunner, task: Task) -> None:
    runner.fakes.items = {"t": ["a", "b"]} if task.over else {}
    busy = BranchResult(leg=Leg(reason="rate_limited", delay=600))
    runner.fakes.agent = lambda request: busy if request.prompt == "t b" else asking("wipe")(request)
    runner.memo = {OVERVIEW_MEMO: RunOverview()}
    handle = await runner.start(task)
    await open_calls(handle, 1)
    await handle.cancel()
    with pytest.raises(WorkflowFailureError):
        await ended(runner, handle)
    report: RunReport = await handle.query("status", result_type=RunReport)
    assert (report.status, report.approvals) == ("cancelled", [])
    told = await standing.overview(await handle.describe())
    assert (told.state, told.waits) == ("cancelled", [])
