"""Who answers for a run: told to who follows it, and asked about first where it is not what was meant."""

import asyncio
from collections.abc import Callable, Iterable

from rich.text import Text

from commands import next_steps
from commands.query_worker import is_queue_served
from console import ask
from console.printable import printable
from console.screen import Screen
from grammar.errors import WorkerDiffers
from grammar.messages.names import TASK_QUEUE
from grammar.messages.run_bundle import Bundle
from grammar.model_access.process_setup import (
    Difference,
    ProcessSetup,
    WorkerIdentity,
    asks_models,
    differences,
    runs_processes,
)
from runtime import this_process
from runtime.backend import Backend
from runtime.local_server import worker_locks
from runtime.runs import pollers, serving

POLL = 0.25
LOADING = 15.0
NO_WORKER_AFTER = 5.0
SHOWN = 3


class WhoServes:
    """Tell who serves a run, and ask where another model would answer than the one that was meant.

    `yes`: nobody is asked, and all is well. `is_attended`: somebody can be asked. `note`: prints a line about the run.
    """

    def __init__(
        self, bundle: Bundle, screen: Screen, note: Callable[[str], None], *, yes: bool, is_attended: bool
    ) -> None:
        self._bundle = bundle
        self._screen = screen
        self._note = note
        self._yes = yes
        self._is_attended = is_attended
        self._started: ProcessSetup | None = None
        self._is_told = False
        self._seen: dict[str, WorkerIdentity] = {}

    async def served_by(self, backend: Backend, task_queue: str, brought: int) -> list[dict[str, object]]:
        """Return who does the work of the run, as JSON has it: who was seen, and who is there now.

        `brought`: the id of the worker process that came along, which may just be starting; 0: there is none.
        """
        self._note_down(await pollers.workers(backend.client, task_queue))
        if brought and not self._seen:
            self._note_down([WorkerIdentity(brought, this_process.setup())])
        return [worker.fields for worker in self._seen.values()]

    async def before_start(self, backend: Backend, task_queue: str) -> None:
        """Look at the workers that would do the work of a new run. Raises WorkerDiffers."""
        self._started = this_process.setup()
        workers = await self._expected(backend, task_queue)
        self._tell(workers)
        self._agree(self._differences(worker.setup for worker in workers))

    async def before_going_on(self, backend: Backend, run_id: str, task_queue: str, brings_worker: bool) -> None:
        """Look at who serves an open run; `brings_worker`: else this process would. Raises WorkerDiffers."""
        if self._is_told:
            return
        self._started = await serving.recorded(backend.client, run_id)
        self._tell_starter(run_id, self._started)
        workers = await pollers.workers(backend.client, task_queue)
        self._tell(workers)
        if workers or not brings_worker:  # what they do, they do without us
            self._warn(self._differences(worker.setup for worker in workers))
        elif not worker_locks.is_run_served(task_queue):  # by one that the server does not tell of yet: `watch` will
            self._is_told = True
            self._agree(self._differences([this_process.setup()]))

    async def watch(self, backend: Backend, task_queue: str, brings_worker: bool) -> None:
        """Say what to start where nobody would do the work, and who does it, once somebody does. Until cancelled."""
        is_missed = brings_worker
        while not (self._is_told and is_missed):
            await asyncio.sleep(NO_WORKER_AFTER)  # no server tells of it
            if not self._is_told:
                workers = await pollers.workers(backend.client, task_queue)
                self._tell(workers)
                self._warn(self._differences(worker.setup for worker in workers))
            if not is_missed and not await is_queue_served(backend, task_queue):
                is_missed = True
                address = None if backend.embedded else backend.address
                self._note(
                    f"no worker serves task queue {task_queue} at {backend.address}; the run waits. "
                    f"Start one: {next_steps.worker(address, task_queue)}"
                )

    async def _expected(self, backend: Backend, task_queue: str) -> list[WorkerIdentity]:
        """Return the workers; one of the embedded server that is still loading is waited for."""
        deadline = asyncio.get_running_loop().time() + LOADING
        while True:
            workers = await pollers.workers(backend.client, task_queue)
            is_loading = backend.embedded and task_queue == TASK_QUEUE and worker_locks.worker_present()
            if workers or not is_loading or asyncio.get_running_loop().time() > deadline:
                return workers
            await asyncio.sleep(POLL)

    def _differences(self, setups: Iterable[ProcessSetup]) -> list[Difference]:
        started = self._started
        if started is None:
            return []
        found = [difference for setup in setups for difference in differences(self._bundle, started, setup)]
        return list(dict.fromkeys(found))

    def _tell(self, workers: list[WorkerIdentity]) -> None:
        """Say who does the work, and where scripts run, if that is not the workers' own folder."""
        if not workers:
            return
        self._note_down(workers)
        self._is_told = True
        has_model = asks_models(self._bundle)
        told = "; ".join(this_process.described(worker, has_model) for worker in workers[:SHOWN])
        more = f"; and {len(workers) - SHOWN} more" if len(workers) > SHOWN else ""
        folder = self._started.folder if self._started else ""
        elsewhere = folder and runs_processes(self._bundle) and any(worker.setup.folder != folder for worker in workers)
        where = (
            f". Scripts and servers run in {this_process.short(folder)}, where the run was started" if elsewhere else ""
        )
        self._note(f"served by {told}{more}{where}")

    def _note_down(self, workers: list[WorkerIdentity]) -> None:
        self._seen |= {str(worker): worker for worker in workers}

    def _agree(self, found: list[Difference]) -> None:
        """Go on if the person says so. Unattended, only what leaves the answers as they were meant is gone on with."""
        if not found or self._yes:
            self._warn(found)
        elif self._is_attended:
            if not ask.about_workers(self._screen.err, [difference.text for difference in found]):
                raise WorkerDiffers("left as it was: nothing was started")
        elif any(difference.changes_answers for difference in found):
            told = "; ".join(difference.text for difference in found)
            raise WorkerDiffers(f"{told}. Nothing was started; set the worker up as it is meant, or give --yes")
        else:
            self._warn(found)

    def _tell_starter(self, run_id: str, started: ProcessSetup | None) -> None:
        """Say so where it was not this person who started the run: it may do what they would not have it do."""
        if started is None:
            self._warn_of(
                f"run {run_id} does not say who started it: it is of an older version, or not of this program"
            )
        elif not this_process.is_own(started):
            who = f"{started.user or 'somebody'} on {started.host or 'another machine'}"
            self._warn_of(f"run {run_id} was started by {who}, in {started.folder or 'an unknown folder'}: not by you")

    def _warn(self, found: list[Difference]) -> None:
        for difference in found:
            self._warn_of(difference.text)

    def _warn_of(self, text: str) -> None:
        """Warn, with `--quiet` too: what is wrong with answers, or whose run it is, is no progress."""
        line = printable(f"warning: {text}")
        if self._screen.notes.quiet:
            self._screen.err.print(Text(line, "yellow"))
        else:
            self._note(line)
