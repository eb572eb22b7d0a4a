"""Documents in files: what is kept, and what is left behind."""

import os
import time
from pathlib import Path

from grammar.documents.values import StoredDocument
from grammar.messages.reports import RunReport
from runtime.storage.document_files import LEFT_BEHIND, FileDocuments
from runtime.storage.stored_documents import StoredDocuments, filled


async def added(documents: FileDocuments, text: str) -> StoredDocument:
    documents.folder.mkdir(parents=True, exist_ok=True)
    file = documents.folder / "new"
    file.write_text(text)
    return StoredDocument(key=await documents.add(file), size=len(text), form="value")


async def test_a_document_is_kept_once(tmp_path: Path) -> None:
    documents = FileDocuments(tmp_path)
    first, second = await added(documents, "[1]"), await added(documents, "[1]")
    assert first == second
    assert (await documents.path(first.key)).read_text() == "[1]"
    assert list(documents.folder.iterdir()) == []


async def test_a_report_has_its_outputs_again(tmp_path: Path) -> None:
    documents = FileDocuments(tmp_path)
    report = RunReport(name="n", bundle="b", outputs={"a": 1}, stored={"b": await added(documents, "[1]")})
    full = await filled(report, StoredDocuments(documents))
    assert (full.outputs, full.stored) == ({"a": 1, "b": [1]}, {})


def test_what_was_never_finished_goes_after_a_day(tmp_path: Path) -> None:
    documents = FileDocuments(tmp_path)
    documents.tidy()  # there need be nothing yet
    (documents.folder / "pages").mkdir(parents=True)
    for name in ("pages", "old", "new"):
        if name != "pages":
            (documents.folder / name).write_text("half of it")
        if name != "new":
            os.utime(documents.folder / name, (0, time.time() - LEFT_BEHIND - 10))
    documents.tidy()
    assert [path.name for path in documents.folder.iterdir()] == ["new"]
