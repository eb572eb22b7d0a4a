"""Answers to tool calls that wait for a person, given from elsewhere than the terminal that follows the run."""

import asyncio
from dataclasses import dataclass

from rich.text import Text

from commands import next_steps
from commands.options import wrong
from commands.query_worker import answering, is_served
from console.printable import printable
from console.problems import print_json
from console.screen import Screen
from grammar.errors import NotWaiting
from grammar.messages.reports import Approval, ApprovalDecision
from runtime.backend import open_backend
from runtime.runs import runs, signals


@dataclass(frozen=True)
class CallAnswer:
    """What a person says. `always`: yes to each other call of the tool, too. `reason`: told to the agent with a no."""

    approved: bool
    always: bool = False
    reason: str = ""


def give(run_id: str, call: str | None, answer: CallAnswer, screen: Screen, json: bool) -> int:
    """Tell the run. `call` None: about its only open call. Return the exit code. Raises NotWaiting, InvalidFlow."""
    approval, served = asyncio.run(_give(run_id, call, answer))
    what = approval.arguments if approval.kind == "fan_out" else f"a call of {approval.tool}"
    told = printable(f"run {run_id}: {approval.id}, {what}, is {_verdict(approval, answer)}")
    screen.out.print(Text(told))
    if not served:
        told = f"no worker serves the run; to go on with it: {next_steps.command('resume', run_id)}"
        screen.notes.print(Text(told, "yellow"))
    if json:
        print_json({"run_id": run_id, "call": approval.id, "answer": _verdict(approval, answer), "exit_code": 0})
    return 0


async def _give(run_id: str, call: str | None, answer: CallAnswer) -> tuple[Approval, bool]:
    async with open_backend() as backend:
        served = await is_served(backend, run_id)
        async with answering(backend, run_id):
            report = await runs.report(backend.client, run_id)
            approval = chosen(run_id, call, report.approvals)
            check(approval, answer)
            await tell(runs.handle(backend.client, run_id), approval, answer)
    return approval, served


def chosen(run_id: str, call: str | None, calls: list[Approval]) -> Approval:
    """Return the open call of that id, or the only one. Raises NotWaiting, which lists those that are open."""
    found = [approval for approval in calls if call in (None, approval.id)]
    if len(found) == 1:
        return found[0]
    listed = ", ".join(f"{approval.id} ({approval.tool or approval.task})" for approval in calls)
    if not calls:
        raise NotWaiting(f"no call of run {run_id} waits for an answer")
    if call is None:
        raise NotWaiting(f"{len(calls)} calls of run {run_id} wait for an answer; name one: {listed}")
    raise NotWaiting(f"no call {call} of run {run_id} waits for an answer; open: {listed}")


def check(approval: Approval, answer: CallAnswer) -> None:
    """Raise InvalidFlow for what means nothing for a call that was interrupted, or for what is no call."""
    if approval.kind == "fan_out" and answer.always:
        raise wrong("--always", f"{approval.id} is no call of a tool; `run --yes` asks of no fan-out")
    if approval.kind == "unknown_outcome" and (answer.always or answer.reason):
        option = "--always" if answer.always else "--reason"
        raise wrong(option, f"{approval.id} was interrupted: it is repeated or left out, once and without a reason")


async def tell(handle: runs.Handle, approval: Approval, answer: CallAnswer) -> None:
    """Tell the run, by the update that fits the kind of call. Raises NotWaiting."""
    if answer.always:
        await signals.grant(handle, approval.id)
    else:
        verdict = ApprovalDecision(id=approval.id, approved=answer.approved, reason=answer.reason)
        await signals.answer(handle, approval, verdict)


def _verdict(approval: Approval, answer: CallAnswer) -> str:
    if approval.kind == "unknown_outcome":
        return "repeated" if answer.approved else "left out"
    return "approved always" if answer.always else "approved" if answer.approved else "rejected"
