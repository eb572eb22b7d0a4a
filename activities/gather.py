"""The list that a fan-out publishes, put together outside of the run: it may be large (specification section 5)."""

import asyncio
import json
from bisect import bisect_right
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TextIO

from pydantic import JsonValue
from temporalio import activity

from activities.process.activity_errors import application_errors
from activities.process.heartbeat import heartbeats
from activities.process.secrets import mask_all
from activities.storage.documents import Documents, document_files, file_size, store_file, unfinished
from grammar.documents.values import Value, stored_value
from grammar.errors import StorageFailed
from grammar.messages import names
from grammar.messages.activity_requests import KEPT_OF_TASK, GatherRequest
from grammar.messages.activity_results import Page, Progress
from grammar.messages.fan_out import entry


class GatherActivity:
    """Hold the `gather` activity. `documents`: payload storage, without which it fails."""

    def __init__(self, documents: Documents | None) -> None:
        self._documents = documents

    @activity.defn(name=names.GATHER)
    async def gather(self, request: GatherRequest) -> Value:
        """Return the list of all branches' results, as a document where it is larger than KEPT_OF_TASK."""
        with application_errors(mask_all):
            if self._documents is None:
                raise StorageFailed("the run keeps results in payload storage, and this worker is told of none")
            async with heartbeats(lambda: Progress(doing="gathering")):
                return await _gathered(request, self._documents)


async def _gathered(request: GatherRequest, documents: Documents) -> Value:
    results = [branch.result.stored for branch in request.branches if branch.result.stored]
    async with document_files(documents, [*results, *(page.stored for page in request.pages)]) as files:
        file = await asyncio.to_thread(_write_list, documents.folder, request, files)
    if file_size(file) > KEPT_OF_TASK:
        return Value(stored=await store_file(documents, file, "value"))
    value: JsonValue = json.loads(file.read_bytes())
    file.unlink()
    return Value(value=value)


def _write_list(folder: Path, request: GatherRequest, files: Mapping[str, Path]) -> Path:
    with unfinished(folder) as path, path.open("w", encoding="utf-8") as file:
        _write(file, request, files)
    return path


def _write(file: TextIO, request: GatherRequest, files: Mapping[str, Path]) -> None:
    """Write one branch after the other: they need not fit into memory."""
    items = _ItemsByNumber(request, files)
    separator = "["
    for branch in request.branches:
        file.write(separator)
        published = entry(branch, items[branch.item], _result(branch.result, files), request.meaning)
        json.dump(published, file, ensure_ascii=False)
        separator = ","
    file.write("]" if request.branches else "[]")


def _result(value: Value, files: Mapping[str, Path]) -> JsonValue:
    return stored_value(files[value.stored.key], value.stored.form) if value.stored else value.value


class _ItemsByNumber:
    """Look items up by number, with one page in memory at a time."""

    def __init__(self, request: GatherRequest, files: Mapping[str, Path]) -> None:
        self._inline = request.items
        self._pages = request.pages
        self._files = files
        self._open = -1
        self._page: dict[int, JsonValue] = {}

    def __getitem__(self, number: int) -> JsonValue:
        if not self._pages:
            return self._inline[number]
        index = bisect_right([page.first for page in self._pages], number) - 1
        if index != self._open:
            self._open, self._page = index, dict(self._read(index))
        return self._page[number]

    def _read(self, index: int) -> Iterator[tuple[int, JsonValue]]:
        page = Page.model_validate_json(self._files[self._pages[index].stored.key].read_bytes())
        return ((branch.index, branch.item) for branch in page.branches)
