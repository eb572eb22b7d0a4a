"""`status`: how one run stands."""

import asyncio

from commands import options
from console import run_tables
from console.problems import print_json
from console.screen import Screen, open_screen


def status(run_id: options.RunId, json: options.Json = False, quiet: options.Quiet = False) -> int:
    """Tell how a run stands: each task, what failed, what it waits for."""
    return asyncio.run(_status(run_id, open_screen(json, quiet), json))


async def _status(run_id: str, screen: Screen, json: bool) -> int:
    from commands.complete_report import as_json  # these load Temporal's client
    from commands.query_worker import answering
    from runtime.backend import open_backend
    from runtime.runs import runs

    async with open_backend() as backend, answering(backend, run_id) as is_served:
        report = await runs.report(backend.client, run_id, is_served)
        document = await as_json(backend, report, screen) if json else {}
    run_tables.print_report(screen.out, run_id, report)
    if json:
        print_json({"run_id": run_id, **document})
    return 0
