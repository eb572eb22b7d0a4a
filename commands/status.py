"""`status`: how one run stands."""

import asyncio
from dataclasses import asdict

from commands import options
from console import run_tables
from console.problems import print_json
from console.screen import Screen, open_screen


def status(run_id: options.RunId, json: options.Json = False, quiet: options.Quiet = False) -> int:
    """Tell how a run stands: each task, what failed, what it waits for, and what it takes up on disk."""
    return asyncio.run(_status(run_id, open_screen(json, quiet), json))


async def _status(run_id: str, screen: Screen, json: bool) -> int:
    from commands.complete_report import as_json  # these load Temporal's client
    from commands.query_worker import answering
    from runtime import this_process
    from runtime.backend import open_backend
    from runtime.runs import pruning, runs, serving

    async with open_backend() as backend, answering(backend, run_id) as is_served:
        report = await runs.report(backend.client, run_id, is_served)
        document = await as_json(backend, report, screen) if json else {}
        workers = await serving.workers_of(backend.client, run_id)
        size = await pruning.size_of(backend.client, backend.folder, run_id)
    run_tables.print_report(screen.out, run_id, report)
    run_tables.print_workers(screen.out, [this_process.described(worker) for worker in workers])
    sizes = {"history": size.history, "journals": size.journals, "stored values": size.stored}
    run_tables.print_place(screen.out, backend.address, sizes, str(backend.bucket or ""))
    if json:
        served_by = [worker.fields for worker in workers]
        place = {"served_by": served_by, "address": backend.address, "bytes": asdict(size)}
        print_json({"run_id": run_id, **document, **place})
    return 0
