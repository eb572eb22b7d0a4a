"""`--cron`, `--list-schedules`, `--unschedule`: have runs of a flow start by themselves."""

from rich.text import Text

from console import run_tables
from console.problems import print_json
from console.screen import Screen
from grammar.messages.names import TASK_QUEUE
from grammar.messages.run_bundle import Bundle
from runtime.backend import Backend, open_backend
from runtime.runs import pollers, schedules


async def make(flow: Bundle, cron: str, schedule_id: str | None, view: Screen, json: bool) -> int:
    """Make a schedule, named after the flow unless it is given an id. Returns the exit code. Raises UserError."""
    name = schedule_id or flow.name
    async with open_backend() as here:
        first = await schedules.make(here.client, flow, name, cron)
        url = here.schedule_url(name)
        view.out.print(Text(f"schedule {name}: the first run of {flow.source} starts {run_tables.moment(first)}"))
        view.out.print(Text(await _needs(here), "dim"))
        if url:
            view.out.print(Text(url, "dim"))
    if json:
        print_json({
            "schedule_id": name, "flow": flow.source, "bundle": flow.hash, "cron": cron,
            "next_run": first.isoformat(), "url": url, "exit_code": 0,
        })  # fmt: skip
    return 0


async def _needs(here: Backend) -> str:
    """What has to run besides, for the schedule to be of any use."""
    if here.embedded:
        return "runs start while `python worker.py` runs: it holds the embedded server, and does the work"
    served = await pollers.has_worker(here.client, TASK_QUEUE)
    start = f"{'' if served else '; none does now'}. To start one: TEMPORAL_ADDRESS={here.address} python worker.py"
    return f"runs wait until a worker serves task queue {TASK_QUEUE} at {here.address}{start}"


async def list_schedules(view: Screen, json: bool) -> int:
    """When each runs next, and how its last run stands. Returns the exit code."""
    async with open_backend() as here:
        found = [one async for one in schedules.listed(here.client)]
    run_tables.print_schedules(view.out, found)
    if json:
        print_json({"schedules": [one.model_dump(mode="json") for one in found]})
    return 0


async def remove(schedule_id: str, view: Screen, json: bool) -> int:
    """No more runs start. Returns the exit code. Raises NotScheduled."""
    async with open_backend() as here:
        await schedules.remove(here.client, schedule_id)
    view.out.print(Text(f"schedule {schedule_id} is removed; a run of it that is open goes on"))
    if json:
        print_json({"schedule_id": schedule_id, "removed": True, "exit_code": 0})
    return 0
