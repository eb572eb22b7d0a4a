"""`--list`, `--status`, `--manifest`, `--pause`, `--unpause`: look at runs and steer them, without following one."""

from commands.complete_report import as_json
from commands.query_worker import answering
from console import run_tables
from console.problems import print_json
from console.screen import Screen
from runtime.backend import open_backend
from runtime.runs import runs, signals


async def list_runs(view: Screen, json: bool) -> int:
    """The newest runs: what each does, or waits for. Returns the exit code."""
    async with open_backend() as here:
        found = [one async for one in runs.listed(here.client)]
    run_tables.print_runs(view.out, found)
    if json:
        print_json({"runs": [one.model_dump(mode="json") for one in found]})
    return 0


async def status(run_id: str, view: Screen, json: bool) -> int:
    """How one run stands. Returns the exit code. Raises NotWaiting."""
    async with open_backend() as here, answering(here, run_id):
        report = await runs.report(here.client, run_id)
        document = await as_json(here, report, view) if json else {}
    run_tables.print_report(view.out, run_id, report)
    if json:
        print_json({"run_id": run_id, **document})
    return 0


async def manifest(run_id: str, view: Screen, json: bool) -> int:
    """Every branch of one run. Returns the exit code. Raises NotWaiting."""
    async with open_backend() as here, answering(here, run_id):
        found = await runs.manifest(here.client, run_id)
        report = await as_json(here, found.report, view) if json else {}
    run_tables.print_manifest(view.out, found)
    if json:
        print_json({"run_id": run_id, **found.model_dump(mode="json"), "report": report})
    return 0


async def pause(run_id: str, paused: bool, view: Screen, json: bool) -> int:
    """Have a run start no new branch, or go on. Returns the exit code. Raises NotWaiting."""
    async with open_backend() as here:
        await signals.pause(here.client, run_id, paused)
    text = "starts no new branch; what runs goes on" if paused else "goes on"
    view.out.print(f"run {run_id} {text}")
    if json:
        print_json({"run_id": run_id, "paused": paused, "exit_code": 0})
    return 0
