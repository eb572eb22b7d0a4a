"""`schedule`: have runs of a flow start by themselves."""

import asyncio
from functools import partial
from typing import Annotated

import typer
from rich.text import Text

from commands import next_steps, options
from commands.run import check_prices, load, with_prices
from console import run_tables
from console.problems import print_json, print_warnings
from console.screen import Screen, open_screen
from grammar.messages import schedule
from grammar.messages.names import TASK_QUEUE
from grammar.messages.run_bundle import Bundle
from grammar.program import program
from runtime import flow_names


def add(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="FLOW", help="A taskflow: a path, or a dotted name. With -p: the prompt."),
    ] = None,
    cron: Annotated[
        str | None,
        typer.Option(
            "--cron",
            metavar="TIMES",
            help="When runs start, such as '0 6 * * *'. "
            "In UTC, unless it begins as in 'CRON_TZ=Europe/Berlin 0 6 * * *'.",
        ),
    ] = None,
    schedule_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="The schedule's id; the flow's name unless given.")
    ] = None,
    task_queue: options.TaskQueue = None,
    priority: options.Priority = None,
    personality: options.Personality = None,
    globals_: options.Globals = None,
    model_config: options.ModelConfigName = None,
    path: options.Paths = None,
    strict: options.Strict = False,
    budget: options.Budgets = None,
    yes: options.YesToAll = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Have runs of FLOW start at the times of a cron expression."""
    flow = options.only(words, f"one taskflow: {program()} schedule add FLOW --cron TIMES")
    if cron is None:
        raise options.wrong("--cron", f"when should runs start? {schedule.SHAPE}")
    schedule.check(cron)
    asked = options.load_options(flow, globals_, model_config, path, strict, budget, yes)
    loaded = load(personality, asked, priority)
    check_prices(loaded)
    screen = open_screen(json, quiet)
    print_warnings(screen, loaded.warnings)
    shown = schedule_id or flow_names.shown(loaded.bundle)
    return asyncio.run(_add(with_prices(loaded.bundle), cron, shown, task_queue or TASK_QUEUE, screen, json, yes))


async def _add(
    flow: Bundle, cron: str, schedule_id: str, task_queue: str, screen: Screen, json: bool, yes: bool
) -> int:
    from commands.who_serves import WhoServes  # these load Temporal's client
    from runtime.backend import open_backend
    from runtime.runs import pollers, schedules

    who = WhoServes(
        flow,
        screen,
        lambda text: screen.notes.print(Text(text, "yellow")),
        yes=yes,
        is_attended=screen.is_attended and not json,
    )
    async with open_backend() as backend:
        await who.before_start(backend, task_queue)
        first = await schedules.make(backend.client, flow, schedule_id, cron, task_queue)
        served = not backend.embedded and await pollers.has_worker(backend.client, task_queue)
        served_by = await who.served_by(backend, task_queue, 0)
        url = backend.schedule_url(schedule_id)
    moment = run_tables.moment(first)
    screen.out.print(Text(f"schedule {schedule_id}: the first run of {flow.source} starts {moment}"))
    screen.notes.print(Text(_needs(None if backend.embedded else backend.address, task_queue, served), "dim"))
    if url:
        screen.notes.print(Text(url, "dim"))
    if json:
        print_json({
            "schedule_id": schedule_id, "flow": flow.source, "bundle": flow.hash, "cron": cron,
            "next_run": first.isoformat(), "url": url, "served_by": served_by, "exit_code": 0,
        })  # fmt: skip
    return 0


def _needs(address: str | None, task_queue: str, served: bool) -> str:
    """Return what has to run besides, for the schedule to be of any use. `address` None: the embedded server's."""
    if address is None:
        return f"runs start while `{program()} worker` runs: it holds the embedded server, and does the work"
    if served:
        return f"runs wait whenever no worker serves task queue {task_queue} at {address}; one does now"
    start = next_steps.worker(address, task_queue)
    return f"runs wait until a worker serves task queue {task_queue} at {address}; none does now. To start one: {start}"


def list_schedules(json: options.Json = False) -> int:
    """List schedules: the next run of each, and how its last one stands."""
    return asyncio.run(_list(open_screen(json), json))


async def _list(screen: Screen, json: bool) -> int:
    from commands.query_worker import is_queue_served  # these load Temporal's client
    from runtime.backend import open_backend
    from runtime.runs import schedules

    async with open_backend() as backend:
        is_served = partial(is_queue_served, backend)
        found = [line async for line in schedules.listed(backend.client, is_served)]
    run_tables.print_schedules(screen.out, found)
    if json:
        print_json({"schedules": [line.model_dump(mode="json") for line in found]})
    return 0


def remove(
    schedule_id: Annotated[str, typer.Argument(metavar="ID", help="The schedule's id.")], json: options.Json = False
) -> int:
    """Remove a schedule: no more runs start."""
    return asyncio.run(_remove(schedule_id, open_screen(json), json))


async def _remove(schedule_id: str, screen: Screen, json: bool) -> int:
    from runtime.backend import open_backend  # these load Temporal's client
    from runtime.runs import schedules

    async with open_backend() as backend:
        await schedules.remove(backend.client, schedule_id)
    screen.out.print(Text(f"schedule {schedule_id} is removed; a run of it that is open goes on"))
    if json:
        print_json({"schedule_id": schedule_id, "removed": True, "exit_code": 0})
    return 0
