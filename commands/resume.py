"""`--resume ID`: go on with a run that is parked, or that nobody serves."""

from temporalio.client import WorkflowExecutionStatus

from commands.run import RunOptions, Session
from console.screen import Screen
from grammar.errors import NotWaiting
from grammar.messages.reports import Decision
from runtime.backend import open_backend
from runtime.runs import runs


async def run(run_id: str, what: Decision | None, keep: bool, json: bool, debug: bool, view: Screen) -> int:
    """Go on with the run, and follow it. Returns the exit code. Raises NotWaiting."""
    async with open_backend() as here:
        handle = runs.handle(here.client, run_id)
        bundle = await runs.bundle_of(handle)
        found = await handle.describe()
        if found.status != WorkflowExecutionStatus.RUNNING:
            status = found.status.name.lower() if found.status else "closed"
            raise NotWaiting(f"run {run_id} has ended ({status}); nothing is left to do for it")
        if what and (await runs.standing(found)).state != "parked":
            raise NotWaiting(f"run {run_id} is not parked; --resume {run_id} alone follows it to its end")
        wish = RunOptions(run_id, keep=keep, json=json, debug=debug, resume=True, decision=what)
        return await Session(bundle, wish, view).run_at(here)
