"""Whether a task runs, over which items, and with which prompts."""

import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TypeVar

from temporalio import activity

from activities.process.activity_errors import reported
from activities.process.render import Renderer
from activities.storage import pages
from activities.storage.documents import Documents, files_of, keep_file
from grammar.documents.values import StoredDocument
from grammar.messages import names
from grammar.messages.activity_requests import PrepareRequest
from grammar.messages.activity_results import Page, StoredPage
from grammar.preparing import preparation
from grammar.templating.outputs_read import outputs_read

T = TypeVar("T")


class Prepare:
    """The `prepare` activity. `documents`: where pages are kept; None: each is rendered when it is asked for."""

    def __init__(self, renderer: Renderer, documents: Documents | None = None) -> None:
        self._renderer = renderer
        self._documents = documents

    @activity.defn(name=names.PREPARE)
    async def prepare(self, request: PrepareRequest) -> Page:
        """A page of branches, ready to be deployed. What its texts took from `env()` stands as references."""
        with reported(str):
            if request.page:
                files = await files_of(self._documents, [request.page])
                return Page.model_validate_json(files[request.page.key].read_bytes())
            wanted = _wanted(request)
            files = await files_of(self._documents, wanted)
            if self._documents is None:
                return raised(await self._renderer(preparation.page, request, dict(os.environ)))
            with tempfile.TemporaryDirectory(dir=_made(self._documents.folder)) as folder:
                work = self._renderer.over(sum(one.size for one in wanted))
                page, starts = raised(await work(pages.write, request, dict(os.environ), files, Path(folder)))
                return page.model_copy(update={"pages": await _kept(self._documents, Path(folder), starts)})


async def _kept(documents: Documents, folder: Path, starts: Sequence[int]) -> list[StoredPage]:
    """The pages, stored; none where there is one only."""
    if len(starts) == 1:
        return []
    return [StoredPage(first=one, stored=await keep_file(documents, folder / str(one), "value")) for one in starts]


def raised(found: T | preparation.RenderFailure) -> T:
    """What was found. Raises the error that came back in its place."""
    if isinstance(found, preparation.RenderFailure):
        raise found.kind(found.message)
    return found


def _wanted(request: PrepareRequest) -> list[StoredDocument]:
    """The documents that the task reads."""
    task = request.task
    texts = [task.if_ or "", task.over or "", task.user_prompt or "", *request.prompts.values()]
    wanted = [request.stored[name] for name in outputs_read(texts, request.stored)]
    return [*wanted, request.result.stored] if request.result and request.result.stored else wanted


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
