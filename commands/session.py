"""One run at the terminal: start or join it, follow it, tell how it ended."""

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from functools import partial
from typing import Literal

from rich.text import Text

from commands import dry_run, next_steps, out_of_reach, parked_question
from commands.approval_questions import ApprovalQuestions
from commands.complete_report import as_json
from commands.leaving import Leaving
from commands.query_worker import is_queue_served
from commands.who_serves import WhoServes
from console.printable import printable_name
from console.problems import print_json
from console.run_display import RunDisplay
from console.run_summary import EXIT_CODES, print_summary
from console.screen import Screen
from grammar.exit_codes import ExitCode
from grammar.messages.continue_as_new import CarriedRun
from grammar.messages.events import RunChanges
from grammar.messages.names import TASK_QUEUE
from grammar.messages.reports import Decision, Parked, RunReport
from grammar.messages.run_bundle import Bundle
from grammar.model_access.process_setup import embedded_apis
from runtime import flow_names, stopping
from runtime.backend import Backend, find_backend
from runtime.local_server import worker_locks
from runtime.local_server.worker_process import WorkerProcess
from runtime.runs import finding, following, history_reader, runs, signals
from runtime.state import state_dir

TOY_MODEL = (
    "no model is configured, so a 135M toy model on this machine answers; "
    "for a real one set AI_API_ENDPOINT and AI_API_TOKEN"
)


def new_queue(embedded: bool, run_id: str) -> str:
    """Return the queue of a new run: the shared one where a worker serves it, else its own."""
    return f"taskflow/{run_id}" if embedded and not worker_locks.worker_present() else TASK_QUEUE


@dataclass(frozen=True)
class RunOptions:
    """How a run is to be started and shown. `debug`: with all that went wrong.

    `resume`: it is open; `decision`: what to tell it. `carried`: what a new one takes over from an earlier one.
    `yes`: whatever its worker is set up with is right. `task_queue`: of a new run; None: the usual one.
    """

    run_id: str | None = None
    detach: bool = False
    keep: bool = False
    json: bool = False
    debug: bool = False
    resume: bool = False
    decision: Decision | None = None
    carried: CarriedRun | None = None
    yes: bool = False
    task_queue: str | None = None


class Session:
    """One run, from its start to what is printed at its end."""

    def __init__(self, flow: Bundle, options: RunOptions, screen: Screen) -> None:
        self._bundle = flow
        self._options = options
        self._screen = screen
        self._run_id = options.run_id or runs.new_id(flow_names.shown(flow))
        self._is_announced = False
        self._told_stuck = False
        self._heard = 0
        self._task_queue = ""
        self._brought: WorkerProcess | None = None
        self._approvals: ApprovalQuestions | None = None
        self._parked: Parked | None = None
        self._display = RunDisplay(flow, self._run_id, screen, options.debug)
        is_attended = screen.is_attended and not options.json
        self._who = WhoServes(flow, screen, self._display.note, yes=options.yes, is_attended=is_attended)

    async def run(self) -> int:
        """Start or join the run, and follow it. Return the exit code."""
        if self._bundle.script:
            self._display.note(dry_run.notice(self._bundle))
        async with find_backend(self._options.keep) as found:
            if self._options.run_id:
                return await self.run_at(await found.connect())
            queue = self._new_queue(found.embedded)
            async with self._served(found.embedded, queue) as served:  # it loads while the server starts
                backend = await found.connect()
                code = await self._run(backend, queue, served, is_new=True)
            return await self._until_decided(backend, code)

    async def run_at(self, backend: Backend) -> int:
        """Do as `run`, where Temporal has been met. Return the exit code."""
        return await self._until_decided(backend, await self._once(backend))

    async def _until_decided(self, backend: Backend, code: int) -> int:
        """Go on with a parked run as often as somebody decides something. `code`: the exit code until then."""
        while self._parked and (decision := await self._decided(backend, self._parked)):
            told = None if decision == "elsewhere" else decision
            self._options = replace(self._options, resume=True, decision=told)
            code = await self._once(backend)
        return code

    async def _once(self, backend: Backend) -> int:
        """Follow the run to its end, or to where it is parked. Return the exit code."""
        present = await finding.open_queue(backend.client, self._run_id)
        queue = present or self._new_queue(backend.embedded)
        async with self._served(backend.embedded, queue) as served:
            return await self._run(backend, queue, served, is_new=present is None)

    async def _run(self, backend: Backend, task_queue: str, served: WorkerProcess | None, is_new: bool) -> int:
        self._parked = None
        self._task_queue, self._brought = task_queue, served
        if not is_new:
            await self._who.before_going_on(backend, self._run_id, task_queue, served is not None)
        elif served is None:
            await self._who.before_start(backend, task_queue)
        self._tell_started(backend)
        handle = await self._handle(backend, task_queue)
        if self._options.detach:
            return await self._detach(backend, handle, served, task_queue)
        after = await self._resumed(handle) if self._options.resume else 0
        return await self._follow(backend, handle, served, task_queue, after)

    async def _detach(
        self, backend: Backend, handle: runs.Handle, served: WorkerProcess | None, task_queue: str
    ) -> int:
        """Leave the run to a worker, once it knows what was decided. Return the exit code."""
        if served:  # the server must not end between us and the worker
            await worker_locks.until_served(task_queue)
        if served and self._options.decision:  # who serves a run that is still parked has nothing to do, and ends
            await runs.count(handle)
        if self._options.decision:
            await signals.decide(handle, self._options.decision)
        self._screen.out.print(self._where(backend))
        return await self._detached(backend)

    async def _handle(self, backend: Backend, task_queue: str) -> runs.Handle:
        if self._options.resume:
            return runs.handle(backend.client, self._run_id)
        return await runs.start(backend.client, self._bundle, self._run_id, task_queue, self._options.carried)

    async def _resumed(self, handle: runs.Handle) -> int:
        """Tell the run what was decided. Return the number of entries that are old news."""
        after = self._heard or await runs.count(handle)
        if self._options.decision:
            await signals.decide(handle, self._options.decision)
        return after

    async def _decided(self, backend: Backend, parked: Parked) -> Decision | Literal["elsewhere"] | None:
        """Return what the person at the terminal decides; where nobody does, print how to, and return None."""
        decision: Decision | Literal["elsewhere"] | None = None
        if self._screen.is_attended and not self._options.json:
            handle = runs.handle(backend.client, self._run_id)
            url = backend.run_url(self._run_id)
            decision = await parked_question.decision(self._screen, self._display, handle, parked, url)
        if decision is None:
            next_steps.print_parked(self._screen.notes, backend, self._run_id, parked)
        return decision

    def _new_queue(self, embedded: bool) -> str:
        return self._options.task_queue or new_queue(embedded, self._run_id)

    @asynccontextmanager
    async def _served(self, embedded: bool, task_queue: str) -> AsyncIterator[WorkerProcess | None]:
        """Bring a worker process for the block, where the embedded server has no other for this run."""
        if not embedded or (task_queue == TASK_QUEUE and worker_locks.worker_present()):
            yield None
            return
        if apis := embedded_apis(self._bundle, os.environ):
            key = "ANTHROPIC_API_KEY" if apis == {"messages"} else "OPENAI_API_KEY"
            self._display.note(f"{TOY_MODEL} (or {key})")
        worker = WorkerProcess(self._run_id, task_queue, self._bundle)
        await worker.start()
        try:
            yield worker
        finally:
            worker.let_go()

    async def _follow(
        self, backend: Backend, handle: runs.Handle, served: WorkerProcess | None, task_queue: str, after: int
    ) -> int:
        leaving = Leaving(self._screen, self._display, self._run_id)
        self._approvals = ApprovalQuestions(
            self._screen, self._display, handle, partial(next_steps.answer, self._run_id)
        )
        is_served = None if served else partial(is_queue_served, backend)
        followed = asyncio.create_task(following.follow(backend.client, handle, self._hear, after, is_served))
        watching = asyncio.create_task(self._who.watch(backend, task_queue, served is not None))
        wanted = asyncio.create_task(leaving.wanted(self._approvals))
        ticking = asyncio.create_task(self._display.keep_ticking())
        try:
            with self._display.following(backend.run_url(self._run_id)):
                await asyncio.wait({followed, wanted}, return_when=asyncio.FIRST_COMPLETED)
                if not followed.done():
                    if wanted.result() == "detach":
                        code = ExitCode.INTERRUPTED if leaving.hung_up.is_set() else ExitCode.DONE
                        return await self._detached(backend, code)
                    self._display.note("cancelling")
                    await handle.cancel()
                    why = asyncio.create_task(out_of_reach.why(backend, self._run_id, task_queue, served is not None))
                    await stopping.first(asyncio.shield(followed), why, leaving.again())
                    if not followed.done():
                        return await self._left_cancelling(backend, why)
                await followed
        finally:
            leaving.let_suspend()
            for task in (followed, watching, wanted, ticking):
                task.cancel()
        return await self._end(backend, handle, served, leaving.interrupted)

    async def _end(
        self, backend: Backend, handle: runs.Handle, served: WorkerProcess | None, interrupted: asyncio.Event
    ) -> int:
        report = await runs.outcome(handle, self._bundle)
        took = await runs.took(handle)
        url = backend.run_url(self._run_id)
        code = ExitCode.BUG if runs.is_bug(report) else EXIT_CODES[report.status]
        print_summary(self._screen.out, report, took, self._run_id, url)
        self._parked = report.parked
        if code == ExitCode.BUG and self._options.debug:
            for text in await history_reader.tracebacks(backend.client, self._run_id):
                self._display.note(text, "")
        if code == ExitCode.BUG:
            self._tell_error(f"this is a fault of taskflow, not of your file. Details: {state_dir() / 'worker.log'}")
        if self._options.json:
            print_json(await self._document(backend, report, took, code))
        if self._options.keep and backend.embedded and not interrupted.is_set():
            ui = f"; Web UI {backend.ui_page()}" if backend.ui_url else ""
            self._display.note(f"the embedded server is at {backend.address}, Ctrl-C to end{ui}")
            await interrupted.wait()
        if served:
            await served.stop()
        return code

    def _hear(self, update: RunChanges) -> None:
        if update.stuck and not self._told_stuck:
            self._told_stuck = True
            self._tell_error(f"the worker cannot go on with this run; its log says why ({state_dir() / 'worker.log'})")
        self._display.hear(update)
        self._heard = max([self._heard, *(event.number + 1 for event in update.entries)])
        if self._approvals and update.tasks:  # else no worker answered, and nothing is known of them
            self._approvals.hear(update.approvals)

    def _tell_error(self, text: str) -> None:
        """With `--quiet` too; else in the midst of the story, which may be drawn on."""
        if self._screen.notes.quiet:
            self._screen.err.print(Text(text, "red"))
        else:
            self._display.note(text, "red")

    def _tell_started(self, backend: Backend) -> None:
        if not self._is_announced:
            self._screen.notes.print(self._where(backend))
        self._is_announced = True

    def _where(self, backend: Backend) -> Text:
        url = backend.run_url(self._run_id)
        return Text(f"run {printable_name(self._run_id)}" + (f"  {url}" if url else ""), "dim")

    async def _detached(self, backend: Backend, code: ExitCode = ExitCode.DONE) -> int:
        """Say that the run goes on without us. `code`: the exit code, which is returned."""
        self._display.note(f"run {self._run_id} goes on; follow it again: {next_steps.command('resume', self._run_id)}")
        return await self._left(backend, "running", code)

    async def _left_cancelling(self, backend: Backend, why: "asyncio.Task[str]") -> int:
        """Say what the run waits for; `why`: is cancelled where it waits for nothing but its worker."""
        what = "ends once its worker has heard of it" if why.cancelled() else why.result()
        self._display.note(f"run {self._run_id} is told to cancel, and {what}")
        return await self._left(backend, "cancelling", ExitCode.INTERRUPTED)

    async def _left(self, backend: Backend, status: str, code: ExitCode) -> int:
        if self._options.json:
            served_by = await self._served_by(backend)
            print_json({"run_id": self._run_id, "status": status, "served_by": served_by, "exit_code": code})
        return code

    async def _served_by(self, backend: Backend) -> list[dict[str, object]]:
        return await self._who.served_by(backend, self._task_queue, self._brought.pid if self._brought else 0)

    async def _document(self, backend: Backend, report: RunReport, took: timedelta, code: int) -> dict[str, object]:
        return {
            "run_id": self._run_id,
            "dry_run": self._bundle.script is not None,
            **await as_json(backend, report, self._screen),
            "seconds": round(took.total_seconds(), 3),
            "url": backend.run_url(self._run_id),
            "served_by": await self._served_by(backend),
            "exit_code": code,
        }
