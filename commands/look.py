"""`--list`, `--status`, `--manifest`, `--pause`, `--unpause`: look at runs and steer them, without following one."""

from commands.looking import answering
from commands.outputs import as_json
from console import look
from console.problems import tell_json
from console.screen import Screen
from runtime import runs, steer
from runtime.place import place


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
    async with place() as here, answering(here, run_id):
        report = await runs.report(here.client, run_id)
        document = await as_json(here, report, view) if json else {}
    look.tell_report(view.out, run_id, report)
    if json:
        tell_json({"run_id": run_id, **document})
    return 0


async def manifest(run_id: str, view: Screen, json: bool) -> int:
    """Every branch of one run. Returns the exit code. Raises NotWaiting."""
    async with place() as here, answering(here, run_id):
        found = await runs.manifest(here.client, run_id)
        report = await as_json(here, found.report, view) if json else {}
    look.tell_manifest(view.out, found)
    if json:
        tell_json({"run_id": run_id, **found.model_dump(mode="json"), "report": report})
    return 0


async def pause(run_id: str, paused: bool, view: Screen, json: bool) -> int:
    """Have a run start no new branch, or go on. Returns the exit code. Raises NotWaiting."""
    async with place() as here:
        await steer.pause(here.client, run_id, paused)
    text = "starts no new branch; what runs goes on" if paused else "goes on"
    view.out.print(f"run {run_id} {text}")
    if json:
        tell_json({"run_id": run_id, "paused": paused, "exit_code": 0})
    return 0
