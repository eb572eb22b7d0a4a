"""Go on with an open run: follow it, and before that tell it what was decided."""

import asyncio
from dataclasses import replace

from rich.text import Text

from commands import next_steps
from commands.query_worker import answering
from commands.session import RunOptions, Session
from console.problems import print_json
from console.screen import Screen
from grammar.errors import NotWaiting
from grammar.exit_codes import ExitCode
from grammar.messages.reports import Decision
from grammar.messages.run_status import ENDED, spelled
from runtime.backend import Backend, open_backend
from runtime.runs import finding, runs, signals, standing


def decide(run_id: str, decision: Decision, options: RunOptions, screen: Screen) -> int:
    """Tell a parked run the decision, and follow it. Return the exit code. Raises NotWaiting."""
    return asyncio.run(continue_run(run_id, replace(options, decision=decision), screen))


async def _raise(backend: Backend, handle: runs.Handle, decision: Decision, options: RunOptions, screen: Screen) -> int:
    """Add to a budget of a run that is not parked, and leave it. Return the exit code. Raises NotWaiting."""
    async with answering(backend, handle.id):
        await signals.decide(handle, decision)
    follow = next_steps.command("resume", handle.id)
    screen.out.print(Text(f"run {handle.id}: its budget is raised; to follow it: {follow}"))
    if options.json:
        print_json({"run_id": handle.id, "raised": True, "exit_code": ExitCode.DONE})
    return ExitCode.DONE


async def continue_run(run_id: str, options: RunOptions, screen: Screen) -> int:
    """Go on with the run, and follow it unless it is to be left. Return the exit code. Raises NotWaiting."""
    async with open_backend(options.keep) as backend:
        handle = runs.handle(backend.client, run_id)
        bundle = await finding.bundle_of(backend.client, run_id)
        status = await standing.status(await handle.describe())
        if status in ENDED:
            raise NotWaiting(f"run {run_id} has ended ({spelled(status)}); nothing is left to do for it")
        if options.decision and options.decision.action == "raise_budget" and status != "parked":
            return await _raise(backend, handle, options.decision, options, screen)
        if options.decision and status != "parked":
            raise NotWaiting(f"run {run_id} is not parked; to follow it: {next_steps.command('resume', run_id)}")
        return await Session(bundle, replace(options, run_id=run_id, resume=True), screen).run_at(backend)
