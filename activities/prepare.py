"""Whether a task runs, over which items, and with which prompts."""

import os
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from temporalio import activity

from activities.process.activity_errors import application_errors
from activities.process.heartbeat import heartbeats
from activities.process.render import LimitedRenderer, Renderer
from activities.process.secrets import Secrets
from activities.storage import pages
from activities.storage.documents import Documents, document_files, store_file
from grammar.documents.values import StoredDocument
from grammar.messages import names
from grammar.messages.activity_requests import PrepareRequest
from grammar.messages.activity_results import Page, Progress, StoredPage
from grammar.preparing import preparation
from grammar.templating.outputs_read import outputs_read

T = TypeVar("T")


class PrepareActivity:
    """Hold the `prepare` activity.

    `documents`: payload storage, which keeps the pages; None: each page is rendered when it is asked for.
    """

    def __init__(self, renderer: Renderer, documents: Documents | None = None) -> None:
        self._renderer = renderer
        self._documents = documents

    @activity.defn(name=names.PREPARE)
    async def prepare(self, request: PrepareRequest) -> Page:
        """Return a page of branches with their prompts. What these took from `env()` stands in them as references."""
        with application_errors(Secrets(request.secrets, request.surroundings.key).told):
            async with heartbeats(lambda: Progress(doing="preparing")):
                return await self._page(request)

    async def _page(self, request: PrepareRequest) -> Page:
        if request.page:
            async with document_files(self._documents, [request.page]) as files:
                return Page.model_validate_json(files[request.page.key].read_bytes())
        needed = _documents_read(request)
        async with document_files(self._documents, needed) as files:
            if self._documents is None:
                return _unwrap(await self._renderer(preparation.page, request, dict(os.environ)))
            size = sum(document.size for document in needed)
            return await self._pages(request, files, self._documents, self._renderer.sized_for(size))

    async def _pages(
        self, request: PrepareRequest, files: Mapping[str, Path], documents: Documents, render: LimitedRenderer
    ) -> Page:
        """Return the first page, with the others stored."""
        with tempfile.TemporaryDirectory(dir=_made(documents.folder)) as folder:
            page, starts = _unwrap(await render(pages.write, request, dict(os.environ), files, Path(folder)))
            return page.model_copy(update={"pages": await _store_pages(documents, Path(folder), starts)})


async def _store_pages(documents: Documents, folder: Path, starts: Sequence[int]) -> list[StoredPage]:
    """Store the pages, unless there is only one."""
    if len(starts) == 1:
        return []
    return [
        StoredPage(first=start, stored=await store_file(documents, folder / str(start), "value")) for start in starts
    ]


def _unwrap(result: T | preparation.RenderFailure) -> T:
    """Return the result. Raises the TaskError that the child returned in its place."""
    if isinstance(result, preparation.RenderFailure):
        raise result.kind(result.message)
    return result


def _documents_read(request: PrepareRequest) -> list[StoredDocument]:
    """Return the documents that the task reads."""
    task = request.task
    texts = [task.if_ or "", task.over or "", task.user_prompt or "", *request.prompts.values()]
    documents = [request.stored[name] for name in outputs_read(texts, request.stored)]
    return [*documents, request.result.stored] if request.result and request.result.stored else documents


def _made(folder: Path) -> Path:
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    return folder
