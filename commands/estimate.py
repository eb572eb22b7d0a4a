"""`estimate`: what a run of a flow would use and cost, before it starts."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import dry_run as dry
from commands import options
from commands.run import with_prices
from console import model_tables
from console.problems import print_json, print_warnings
from console.run_summary import print_failures
from console.screen import Screen, open_screen
from grammar.errors import UserError
from grammar.exit_codes import ExitCode
from grammar.inspection.estimate import EarlierRun, Estimator, earlier_run
from grammar.loading import bundle
from grammar.messages.names import TASK_QUEUE
from grammar.messages.reports import RunReport
from grammar.messages.run_bundle import Bundle

if TYPE_CHECKING:  # it loads Temporal's client
    from runtime.backend import Backend

# Of the newest runs of the flow, so many are looked at for one that came to its end.
LOOKED_AT = 50
_ENDED = ("completed", "completed_with_failures")


def estimate(
    flow: options.Flow,
    globals_: options.Globals = None,
    model_config: options.ModelConfigName = None,
    path: options.Paths = None,
    strict: options.Strict = False,
    rules: Annotated[
        Path | None,
        typer.Option("--rules", metavar="FILE", help="What the dry run answers; else FLOW.dry.yaml beside FLOW.yaml."),
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Tell what a run of FLOW would use and cost, from a dry run, and from the last run of it."""
    screen = open_screen(json, quiet)
    asked = options.load_options(flow, globals_, model_config, path, strict)
    loaded = bundle.load(asked)
    print_warnings(screen, loaded.warnings)
    rehearsed = _unattended(dry.as_dry_run(loaded, asked, None, rules).bundle)
    return asyncio.run(_estimate(with_prices(loaded.bundle), rehearsed, screen, json))


def _unattended(flow: Bundle) -> Bundle:
    """Return a dry run that meets no failure on purpose, calls no tool and waits for nobody."""
    assert flow.script
    calm = [rule for rule in flow.script.rules if not (rule.tool_calls or rule.error or rule.exit_code)]
    tasks = [task.model_copy(update={"on_failure": "fail"}) for task in flow.tasks]
    return flow.model_copy(update={"tasks": tasks, "script": flow.script.model_copy(update={"rules": calm})})


async def _estimate(flow: Bundle, rehearsed: Bundle, screen: Screen, json: bool) -> int:
    from runtime.backend import open_backend  # these load Temporal's client
    from runtime.runs import history_reader, runs

    assert rehearsed.script
    async with open_backend() as backend:
        run_id = runs.new_id(_shown(rehearsed))
        report = await _rehearse(backend, rehearsed, run_id)
        history = await history_reader.read_deployments(backend.client, run_id)
        earlier = await _earlier(backend, flow)
    found = Estimator(flow, rehearsed.script, history.deployments, earlier, os.environ).estimate(run_id)
    code = ExitCode.DONE if report.status == "completed" else ExitCode.FAILED
    print_failures(screen.err, report)
    model_tables.print_estimate(screen.out, found)
    if json:
        print_json({**found.model_dump(mode="json"), "exit_code": code})
    return code


async def _rehearse(backend: Backend, flow: Bundle, run_id: str) -> RunReport:
    """Return how the dry run of that id went, which is started here and ends here. Raises UserError."""
    from commands import next_steps  # these load Temporal's client
    from commands.query_worker import is_queue_served
    from commands.session import new_queue
    from runtime.runs import runs

    queue = new_queue(backend.embedded, run_id)
    if not backend.embedded and not await is_queue_served(backend, queue):
        start = next_steps.worker(backend.address, queue)
        raise UserError(f"no worker serves task queue {queue} at {backend.address}; to start one: {start}")
    async with _worker(backend.embedded, flow, run_id, queue):
        handle = await runs.start(backend.client, flow, run_id, queue)
        try:
            await runs.wait_closed(backend.client, run_id)
        except asyncio.CancelledError:
            await handle.terminate("the estimate was interrupted")
            raise
        return await runs.outcome(handle, flow)


@asynccontextmanager
async def _worker(embedded: bool, flow: Bundle, run_id: str, queue: str) -> AsyncIterator[None]:
    """Bring a worker for the block, where the embedded server has no other."""
    from runtime.local_server.worker_process import WorkerProcess  # it loads Temporal's client

    if not embedded or queue == TASK_QUEUE:
        yield
        return
    worker = WorkerProcess(run_id, queue, flow)
    await worker.start()
    try:
        yield
    finally:
        await worker.stop()


async def _earlier(backend: Backend, flow: Bundle) -> EarlierRun | None:
    """Return what the last run of the flow used that came to its end; None where none is known."""
    from runtime.runs import finding, history_reader, run_list  # these load Temporal's client
    from runtime.runs.run_list import RunFilter

    lines = await run_list.listed(backend.client, RunFilter(name=flow.name, limit=LOOKED_AT))
    for line in lines:
        if line.flow == flow.source and line.status in _ENDED and not line.dry_run:
            ran = await finding.bundle_of(backend.client, line.id)
            history = await history_reader.read_deployments(backend.client, line.id)
            return earlier_run(line.id, ran, history.deployments)
    return None


def _shown(flow: Bundle) -> str:
    from runtime import flow_names

    return f"estimate-{flow_names.shown(flow)}"
