"""`--list`, `--status`, `--manifest`, `--pause`, `--unpause`: look at runs and steer them, without following one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from console import look
from console.problems import tell_json
from console.screen import Screen
from grammar.contracts import TASK_QUEUE
from grammar.errors import NotWaiting
from runtime import presence, runs
from runtime.place import Place, place
from runtime.worker_process import WorkerProcess


async def list_runs(view: Screen, json: bool) -> int:
    """The newest runs: what each does, or waits for. Returns the exit code."""
    async with place() as here:
        found = [one async for one in runs.listed(here.client)]
    look.tell_runs(view.out, found)
    if json:
        tell_json({"runs": [one.model_dump(mode="json") for one in found]})
    return 0


async def status(run_id: str, view: Screen, json: bool) -> int:
    """How one run stands. Returns the exit code. Raises NotWaiting."""
    async with place() as here, _answering(here, run_id):
        report = await runs.report(here.client, run_id)
    look.tell_report(view.out, run_id, report)
    if json:
        tell_json({"run_id": run_id, **report.model_dump(mode="json")})
    return 0


async def manifest(run_id: str, view: Screen, json: bool) -> int:
    """Every branch of one run. Returns the exit code. Raises NotWaiting."""
    async with place() as here, _answering(here, run_id):
        found = await runs.manifest(here.client, run_id)
    look.tell_manifest(view.out, found)
    if json:
        tell_json({"run_id": run_id, **found.model_dump(mode="json")})
    return 0


async def pause(run_id: str, paused: bool, view: Screen, json: bool) -> int:
    """Have a run start no new branch, or go on. Returns the exit code. Raises NotWaiting."""
    async with place() as here:
        await runs.pause(here.client, run_id, paused)
    text = "starts no new branch; what runs goes on" if paused else "goes on"
    view.out.print(f"run {run_id} {text}", markup=False)
    if json:
        tell_json({"run_id": run_id, "paused": paused, "exit_code": 0})
    return 0


@asynccontextmanager
async def _answering(here: Place, run_id: str) -> AsyncIterator[None]:
    """Queries are answered by a worker: bring one that does none of the run's work, where no other is there."""
    queue = await runs.queue(here.client, run_id)
    if queue is None:
        raise NotWaiting(f"there is no run {run_id}")
    if not here.embedded or (queue == TASK_QUEUE and presence.worker_present()):
        yield
        return
    worker = WorkerProcess(run_id, queue, look=True)
    await worker.start()
    try:
        yield
    finally:
        await worker.stop()
