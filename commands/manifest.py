"""`manifest`: every branch of one run."""

import asyncio

from commands import options
from console import run_tables
from console.problems import print_json
from console.screen import Screen, open_screen


def manifest(run_id: options.RunId, json: options.Json = False, quiet: options.Quiet = False) -> int:
    """Tell of every branch of a run: status, model, legs, tokens, error."""
    return asyncio.run(_manifest(run_id, open_screen(json, quiet), json))


async def _manifest(run_id: str, screen: Screen, json: bool) -> int:
    from commands.complete_report import as_json  # these load Temporal's client
    from commands.query_worker import answering
    from runtime.backend import open_backend
    from runtime.runs import runs, serving

    async with open_backend() as backend, answering(backend, run_id) as is_served:
        found = await runs.manifest(backend.client, run_id, is_served)
        report = await as_json(backend, found.report, screen) if json else {}
        workers = await serving.workers_of(backend.client, run_id) if json else []
    run_tables.print_manifest(screen.out, found)
    if json:
        served_by = [worker.fields for worker in workers]
        print_json({"run_id": run_id, **found.model_dump(mode="json"), "report": report, "served_by": served_by})
    return 0
