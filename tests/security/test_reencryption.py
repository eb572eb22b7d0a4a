"""`reencrypt`: what is stored has the newest key afterwards, under its name, and nothing is lost on the way."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import DataConverter

from activities.storage.journal_files import JournalFiles
from activities.storage.journal_objects import JournalObjects
from grammar.errors import StorageFailed, TaskflowError
from runtime.encryption.renewal import Renewal
from runtime.encryption.sealing import LineStore, SealedJournals
from runtime.storage import s3 as buckets
from runtime.storage.converter import data_converter
from runtime.storage.document_files import FileDocuments
from runtime.storage.document_objects import DocumentObjects
from runtime.storage.reencryption import Reencrypted, reencrypt_bucket, reencrypt_folder
from runtime.storage.s3_url import BucketUrl
from runtime.storage.stored_documents import DocumentStore, StoredDocuments
from runtime.storage.stored_files import list_files
from tests.security.keys import codec, encryption
from tests.support.s3_server import S3

LARGE = "canary " * 50_000
JOURNAL = f"{'a' * 32}/task-1"
LINES = ['{"by":"x1"}', '{"by":"x1","answer":0}']


class Kept:
    """A payload, a document and a journal, and what refers to them."""

    def __init__(self, payload: Payload, document: str) -> None:
        self.payload, self.document = payload, document


async def keep(converter: DataConverter, documents: StoredDocuments, lines: LineStore, folder: Path) -> Kept:
    (payload,) = await converter.encode([LARGE])
    file = folder / "new"
    file.write_text(LARGE)
    for line in LINES:
        await lines.append(JOURNAL, line)
    return Kept(payload, await documents.add(file))


async def read(kept: Kept, converter: DataConverter, documents: StoredDocuments, lines: LineStore) -> None:
    """Fail where one of them is not as it was."""
    assert await converter.decode([kept.payload], [str]) == [LARGE]
    async with documents.opened([kept.document]) as files:
        assert files[kept.document].read_text() == LARGE
    assert [line for line in await lines.read(JOURNAL) if line] == LINES


def in_folder(folder: Path, *names: str) -> tuple[DataConverter, StoredDocuments, SealedJournals]:
    kept = folder / "kept"
    documents: DocumentStore = FileDocuments(kept / "documents")
    return (
        data_converter(kept, encryption(*names)),
        StoredDocuments(documents, encryption(*names), folder if names else None),
        SealedJournals(JournalFiles(kept / "journals"), codec(*names), bool(names)),
    )


async def renewed(folder: Path, *names: str) -> Reencrypted:
    return await reencrypt_folder(Renewal(codec(*names)), folder / "kept")


ONE_EACH = {"payload": 1, "document": 1, "journal": 1}


@pytest.mark.parametrize("before", [(), ("k1",)])
async def test_what_is_stored_has_the_newest_key_afterwards(tmp_path: Path, before: tuple[str, ...]) -> None:
    kept = await keep(*in_folder(tmp_path, *before), tmp_path)
    done = await renewed(tmp_path, "k2", *before)
    assert (done.written, done.current, done.failed) == (ONE_EACH, {}, {})
    assert not [file.path for file in list_files(tmp_path / "kept") if b"canary" in file.path.read_bytes()]
    await read(kept, *in_folder(tmp_path, "k2"))
    again = await renewed(tmp_path, "k2")
    assert (again.written, again.current, again.failed) == ({}, ONE_EACH, {})
    assert (await renewed(tmp_path, "k3", "k2")).written == ONE_EACH
    await read(kept, *in_folder(tmp_path, "k3"))


async def test_what_was_written_anew_is_good_for_its_own_name_alone(tmp_path: Path) -> None:
    converter, documents, lines = in_folder(tmp_path, "k1")
    kept = await keep(converter, documents, lines, tmp_path)
    other = await keep(converter, documents, lines, tmp_path)
    await renewed(tmp_path, "k2", "k1")
    for kind in ("payload", "document"):
        one, two = [file.path for file in list_files(tmp_path / "kept") if file.kind == kind]
        one.write_bytes(two.read_bytes())
        two.write_bytes(b"")
    converter, documents, _ = in_folder(tmp_path, "k2")
    for found in (kept, other):
        with pytest.raises(TaskflowError, match="is damaged"):
            await converter.decode([found.payload])
        with pytest.raises(StorageFailed, match="is damaged"):
            async with documents.opened([found.document]):
                pass


async def test_it_is_as_old_as_before(tmp_path: Path) -> None:
    await keep(*in_folder(tmp_path, "k1"), tmp_path)
    for file in list_files(tmp_path / "kept"):
        os.utime(file.path, (1_000_000, 1_000_000))
    await renewed(tmp_path, "k2", "k1")
    assert {file.changed for file in list_files(tmp_path / "kept")} == {1_000_000}


async def test_what_cannot_be_read_is_counted_and_left_alone(tmp_path: Path) -> None:
    kept = await keep(*in_folder(tmp_path, "k1"), tmp_path)
    before = {file.path: file.path.read_bytes() for file in list_files(tmp_path / "kept")}
    done = await renewed(tmp_path, "k2")
    assert (done.written, done.current) == ({}, {})
    assert [(why.partition(":")[0], number) for why, number in done.failed.items()] == [(kind, 1) for kind in ONE_EACH]
    assert all("'k1'" in why for why in done.failed)
    assert {file.path: file.path.read_bytes() for file in list_files(tmp_path / "kept")} == before
    await read(kept, *in_folder(tmp_path, "k1"))


async def test_what_is_appended_meanwhile_is_not_lost(tmp_path: Path) -> None:
    """A writer in another thread, as fast as it can, and file after file in its place."""
    _, _, lines = in_folder(tmp_path, "k1")
    count, done = 150, threading.Event()

    def write() -> None:
        for number in range(count):
            asyncio.run(lines.append(JOURNAL, f'{{"n":{number}}}'))
        done.set()

    writer = threading.Thread(target=write)
    writer.start()
    turn = 0
    while not done.is_set():
        await renewed(tmp_path, *(("k2", "k1") if (turn := turn + 1) % 2 else ("k1", "k2")))
    writer.join()
    _, _, lines = in_folder(tmp_path, "k1", "k2")
    found = [line for line in await lines.read(JOURNAL) if line]
    assert found == [f'{{"n":{number}}}' for number in range(count)]


async def test_a_file_system_without_locks_keeps_its_journals(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_locks(*_: object) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", no_locks)
    kept = await keep(*in_folder(tmp_path, "k1"), tmp_path)
    done = await renewed(tmp_path, "k2", "k1")
    assert done.failed == {"journal: its file system has no locks (Operation not supported)": 1}
    await read(kept, *in_folder(tmp_path, "k2", "k1"))


async def test_in_a_bucket_too(s3: S3, tmp_path: Path) -> None:
    async with buckets.opened(BucketUrl(s3.bucket, "p/")) as bucket:

        def place(*names: str) -> tuple[DataConverter, StoredDocuments, SealedJournals]:
            return (
                data_converter(bucket.payloads(), encryption(*names)),
                StoredDocuments(DocumentObjects(bucket, tmp_path / "-".join(names)), encryption(*names), tmp_path),
                SealedJournals(JournalObjects(bucket), codec(*names), True),
            )

        (tmp_path / "k1/unfinished").mkdir(parents=True)
        kept = await keep(*place("k1"), tmp_path)
        assert not [name for name, content in s3.objects().items() if b"canary" in content]
        done = await reencrypt_bucket(Renewal(codec("k2", "k1")), bucket)
        assert (done.written, done.failed) == ({"payload": 1, "document": 1, "journal": 2}, {})
        await read(kept, *place("k2"))
        assert (await reencrypt_bucket(Renewal(codec("k2")), bucket)).current == done.written
