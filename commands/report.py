"""`report`: everything about one run, as a page."""

import asyncio
import re
from pathlib import Path

from commands import html_file, options
from console.problems import print_json
from console.screen import Screen, open_screen
from grammar.documents.models import ModelConfig
from grammar.loading import bundle
from grammar.messages.history import RunHistory


def report(
    run_id: options.RunId,
    html: options.Html = None,
    model_config: options.ModelConfigName = None,
    path: options.Paths = None,
    strict: options.Strict = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Write a page about a run, to ID.html; -m says what models cost."""
    asked = options.load_options("", None, model_config, path, strict)
    given = bundle.model_config(asked) if model_config else None
    screen = open_screen(json, quiet)
    history = asyncio.run(_read(run_id, screen))
    page = html or Path(re.sub(r"[^\w.-]+", "-", run_id).strip("-.") + ".html")
    html_file.write(page, _page(history, given), screen)
    if json:
        print_json({"run_id": run_id, "status": history.status, "page": str(page)})
    return 0


async def _read(run_id: str, screen: Screen) -> RunHistory:
    """Return all that is known of the run, with its outputs. Raises NotWaiting."""
    from commands.complete_report import complete  # these load Temporal's client
    from commands.query_worker import answering
    from runtime.backend import open_backend
    from runtime.runs import history_reader

    async with open_backend() as backend, answering(backend, run_id) as is_served:
        history = await history_reader.read_history(backend.client, run_id, is_served)
        whole = await complete(backend, history.manifest.report, screen)
    return history.model_copy(update={"manifest": history.manifest.model_copy(update={"report": whole})})


def _page(history: RunHistory, config: ModelConfig | None) -> str:
    from pictures import run_page  # slow to load

    prices = {**history.bundle.config.prices, **(config.prices if config else {})}
    return run_page.html(history, history.bundle.config.model_copy(update={"prices": prices}))
