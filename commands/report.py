"""`--report`: everything about one run, as a page."""

import re
from pathlib import Path

from commands import written
from commands.looking import answering
from commands.outputs import complete
from console.problems import tell_json
from console.screen import Screen
from grammar import bundle
from grammar.bundle import Order
from pictures import run_page
from runtime import history
from runtime.place import place


async def run(run_id: str, order: Order, page: Path | None, view: Screen, json: bool) -> int:
    """Write the page. Returns the exit code. Raises NotWaiting, InvalidFlow.

    What models cost is said by the model config that the command line names, else by the run's own.
    """
    given = bundle.model_config(order) if order.model_config else None
    async with place() as here, answering(here, run_id):
        story = await history.story(here.client, run_id)
        report = await complete(here, story.manifest.report, view)
    story = story.model_copy(update={"manifest": story.manifest.model_copy(update={"report": report})})
    page = page or Path(re.sub(r"[^\w.-]+", "-", run_id).strip("-.") + ".html")
    written.write(page, run_page.html(story, given or story.bundle.config), view)
    if json:
        tell_json({"run_id": run_id, "status": story.status, "page": str(page)})
    return 0
