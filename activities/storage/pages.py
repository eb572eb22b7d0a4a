"""The pages of a fan-out in payload storage: rendered once, then read one at a time. For the rendering process."""

from collections.abc import Mapping
from pathlib import Path

from grammar.documents.values import stored_result, stored_value
from grammar.errors import TaskError
from grammar.messages.activity_requests import PrepareRequest
from grammar.messages.activity_results import Page
from grammar.preparing import preparation
from grammar.preparing.preparation import RenderFailure


def write(
    request: PrepareRequest, process: Mapping[str, str], files: Mapping[str, Path], folder: Path
) -> tuple[Page, list[int]] | RenderFailure:
    """Write each page to `folder`/N, N being the number of its first item; return the first page, and all these N.

    `process`: the worker's environment. `files`: the documents that the request refers to, by key. Returns Failed
    for a TaskError, which would not come through the pipe as it is.
    """
    try:
        return _write(_filled(request, files), process, folder)
    except TaskError as error:
        return preparation.render_failure(error)


def _write(request: PrepareRequest, process: Mapping[str, str], folder: Path) -> tuple[Page, list[int]]:
    first: Page | None = None
    starts = []
    for page in preparation.pages(request, process):
        start = page.branches[0].index if page.branches else 0
        starts.append(start)
        (folder / str(start)).write_text(page.model_dump_json(), encoding="utf-8")
        first = first.model_copy(update={"secrets": page.secrets}) if first else page
    assert first
    return first, starts


def _filled(request: PrepareRequest, files: Mapping[str, Path]) -> PrepareRequest:
    """Return the request with the documents in it. An output that has no file here is not read by the task."""
    present = {name: document for name, document in request.stored.items() if document.key in files}
    read = {name: stored_value(files[document.key], document.form) for name, document in present.items()}
    result = request.result
    if result and result.stored:
        result = stored_result(files[result.stored.key], result.stored.form, result.position)
    return request.model_copy(update={"outputs": request.outputs | read, "stored": {}, "result": result})
