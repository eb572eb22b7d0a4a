"""`--from RUN_ID`: a new run of an edited file, which takes over what an earlier run of it gave."""

from dataclasses import replace

from commands.query_worker import answering
from commands.run import RunOptions, Session
from console.screen import Screen
from grammar.loading import reuse
from grammar.messages.activity_results import Usage
from grammar.messages.continue_as_new import CarriedRun, CarriedTask
from grammar.messages.reports import TaskReport
from grammar.messages.run_bundle import Bundle
from runtime.backend import Backend, open_backend
from runtime.runs import runs


async def run(flow: Bundle, earlier: str, task: str | None, wish: RunOptions, view: Screen) -> int:
    """Start the run and follow it. Returns the exit code. Raises NotTakenOver, NotWaiting."""
    async with open_backend() as here:
        carried = await _carried(here, flow, earlier, task)
        names = ", ".join(one.report.name for one in carried.tasks[: carried.index])
        view.out.print(f"taken over from run {earlier}: {names}")
        return await Session(flow, replace(wish, carried=carried), view).run_at(here)


async def _carried(here: Backend, flow: Bundle, earlier: str, task: str | None) -> CarriedRun:
    """What the new run takes along."""
    old = await runs.bundle_of(runs.handle(here.client, earlier))
    async with answering(here, earlier):
        report = await runs.report(here.client, earlier)
        begin = reuse.beginning(old, report.tasks, flow, task, earlier)
        found = await runs.given_before(here.client, earlier, begin)
    taken = [_taken(one, earlier) for one in found.tasks[:begin]]
    fresh = [CarriedTask(report=TaskReport(name=one.name or "", id=one.id)) for one in flow.tasks[begin:]]
    return found.model_copy(update={"tasks": [*taken, *fresh]})


def _taken(task: CarriedTask, earlier: str) -> CarriedTask:
    """It cost this run nothing."""
    report = task.report.model_copy(update={"note": f"taken over from {earlier}", "usage": Usage()})
    branches = [one.model_copy(update={"lost": Usage()}) for one in task.branches]
    return task.model_copy(update={"report": report, "usage": Usage(), "branches": branches})
