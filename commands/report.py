"""`--report`: everything about one run, as a page."""

import re
from pathlib import Path

from commands import html_file
from commands.complete_report import complete
from commands.query_worker import answering
from console.problems import print_json
from console.screen import Screen
from grammar.loading import bundle
from grammar.loading.bundle import LoadOptions
from pictures import run_page
from runtime.backend import open_backend
from runtime.runs import history_reader


async def run(run_id: str, order: LoadOptions, page: Path | None, view: Screen, json: bool) -> int:
    """Write the page. Returns the exit code. Raises NotWaiting, InvalidFlow.

    What models cost is said by the model config that the command line names, else by the run's own.
    """
    given = bundle.model_config(order) if order.model_config else None
    async with open_backend() as here, answering(here, run_id):
        story = await history_reader.read_history(here.client, run_id)
        report = await complete(here, story.manifest.report, view)
    story = story.model_copy(update={"manifest": story.manifest.model_copy(update={"report": report})})
    page = page or Path(re.sub(r"[^\w.-]+", "-", run_id).strip("-.") + ".html")
    html_file.write(page, run_page.html(story, given or story.bundle.config), view)
    if json:
        print_json({"run_id": run_id, "status": story.status, "page": str(page)})
    return 0
