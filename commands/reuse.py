"""`run --from ID`: a new run of an edited file, which takes over what an earlier run of it gave."""

from dataclasses import replace

from commands.query_worker import answering
from commands.session import RunOptions, Session
from console.screen import Screen
from grammar.loading import reuse
from grammar.messages.continue_as_new import CarriedRun, CarriedTask
from grammar.messages.reports import TaskReport
from grammar.messages.run_bundle import Bundle
from runtime.backend import Backend, open_backend
from runtime.runs import finding, runs


async def run(flow: Bundle, earlier: str, task: str | None, options: RunOptions, screen: Screen) -> int:
    """Start the run and follow it. Return the exit code. Raises NotTakenOver, NotWaiting."""
    async with open_backend() as backend:
        carried = await _carried(backend, flow, earlier, task)
        names = ", ".join(taken.report.name for taken in carried.tasks[: carried.index])
        screen.notes.print(f"taken over from run {earlier}: {names}")
        return await Session(flow, replace(options, carried=carried), screen).run_at(backend)


async def _carried(backend: Backend, flow: Bundle, earlier: str, task: str | None) -> CarriedRun:
    """Return what the new run takes along."""
    old = await finding.bundle_of(backend.client, earlier)
    async with answering(backend, earlier):
        report = await runs.report(backend.client, earlier)
        begin = reuse.beginning(old, report.tasks, flow, task, earlier, report.stored)
        found = await runs.given_before(backend.client, earlier, begin)
    taken = [reuse.taken_over(old_task, earlier) for old_task in found.tasks[:begin]]
    fresh = [CarriedTask(report=TaskReport(name=later.name or "", id=later.id)) for later in flow.tasks[begin:]]
    outputs = reuse.outputs_taken_over(old, flow, found.outputs)
    return found.model_copy(update={"tasks": [*taken, *fresh], "outputs": outputs})
