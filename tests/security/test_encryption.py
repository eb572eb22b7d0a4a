"""Payloads, journals and documents under a key: who has it not reads nothing, and changes nothing unnoticed."""

import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.api.failure.v1 import Failure
from temporalio.exceptions import ActivityError, ApplicationError

from activities.storage.journal_files import JournalFiles
from grammar.documents.models import Task
from grammar.errors import MissingKey, StorageFailed
from runtime.encryption import sealing
from runtime.encryption.sealing import MAGIC, SealedJournals
from runtime.storage.converter import data_converter
from runtime.storage.document_files import FileDocuments
from runtime.storage.scratch import scratch_folder
from runtime.storage.stored_documents import StoredDocuments
from tests.security.keys import codec, encryption, given, key
from workflows import failures

CANARY = "canary-7f3a"
PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=f'"{CANARY}"'.encode())


async def encrypted(*names: str) -> Payload:
    (payload,) = await codec(*names).encode([PLAIN])
    return payload


async def test_who_has_no_key_reads_nothing() -> None:
    payload = await encrypted("k1")
    assert CANARY.encode() not in payload.SerializeToString()
    assert dict(payload.metadata) == {"encoding": b"binary/encrypted", "encryption-key-id": b"k1"}
    assert await codec("k1").decode([payload]) == [PLAIN]
    with pytest.raises(MissingKey, match="'k1', and TASKFLOW_ENCRYPTION_KEYS is not set"):
        await codec().decode([payload])


async def test_the_same_value_twice_looks_different() -> None:
    first, second = await codec("k1").encode([PLAIN, PLAIN])
    assert first.data[:12] != second.data[:12]
    assert first.data[12:28] != second.data[12:28]


async def test_a_new_key_encrypts_and_older_ones_decrypt() -> None:
    before, both = await encrypted("k1"), codec("k2", "k1")
    (after,) = await both.encode([PLAIN])
    assert after.metadata["encryption-key-id"] == b"k2"
    assert await both.decode([before, after, PLAIN]) == [PLAIN] * 3


async def test_a_missing_key_is_named_and_nothing_of_it_is_told() -> None:
    with pytest.raises(MissingKey) as raised:
        await codec("k2", "k3").decode([await encrypted("k1")])
    assert "the key 'k1', and TASKFLOW_ENCRYPTION_KEYS has k2, k3" in str(raised.value)
    assert not [name for name in ("k1", "k2", "k3") if given(name).partition(":")[2] in str(raised.value)]


def cut(payload: Payload) -> None:
    payload.data = payload.data[:5]


def flipped(payload: Payload) -> None:
    payload.data = payload.data[:-1] + bytes([payload.data[-1] ^ 1])


def told_as_another_kind(payload: Payload) -> None:
    payload.metadata["kind"] = b"journal"


def told_as_another_one(payload: Payload) -> None:
    payload.metadata["stored-as"] = b"0" * 64


def told_as_of_another_key(payload: Payload) -> None:
    payload.metadata["encryption-key-id"] = b"same-bytes"


@pytest.mark.parametrize(
    "change", [cut, flipped, told_as_another_kind, told_as_another_one, told_as_of_another_key]
)  # fmt: skip
async def test_what_is_changed_cannot_be_read(change: Callable[[Payload], None]) -> None:
    from runtime.encryption.codec import EncryptionCodec
    from runtime.encryption.keys import EncryptionKeys

    payload = await encrypted("k1")
    change(payload)
    with pytest.raises(MissingKey, match="is damaged"):
        await EncryptionCodec(EncryptionKeys([("k1", key("k1")), ("same-bytes", key("k1"))])).decode([payload])


async def test_what_was_written_before_is_read() -> None:
    assert await codec("k1").decode([PLAIN]) == [PLAIN]


async def test_a_failure_tells_nothing_without_the_key() -> None:
    failure, error = Failure(), ApplicationError(CANARY, {"said": CANARY}, type="ShellFailed")
    converter = data_converter(None, encryption("k1"))
    await converter.encode_failure(error, failure)
    assert CANARY.encode() not in failure.SerializeToString()
    assert failure.application_failure_info.type == "ShellFailed"
    read = await data_converter(None, encryption("k2", "k1")).decode_failure(failure)
    assert isinstance(read, ApplicationError)
    assert (read.message, list(read.details)) == (CANARY, [{"said": CANARY}])


async def test_a_task_whose_request_cannot_be_read_says_which_key_is_missing() -> None:
    """The SDK says `Failed decoding arguments`, and why one deeper."""
    converter, failure, missing = data_converter(None), Failure(), MissingKey("the key 'k1' is missing")
    unread = ApplicationError("Failed decoding arguments")
    unread.__cause__ = missing
    await converter.encode_failure(unread, failure)
    error = ActivityError(
        "Activity task failed", scheduled_event_id=1, started_event_id=2, identity="", activity_type="",
        activity_id="", retry_state=None,
    )  # fmt: skip
    error.__cause__ = await converter.decode_failure(failure)
    found = failures.of_activity("task", None, error)
    assert (found.type, found.message) == ("MissingKey", "the key 'k1' is missing")
    assert failures.parks(Task(run="true"), found, "park")


# Journals


def journals(folder: Path, *names: str) -> SealedJournals:
    return SealedJournals(JournalFiles(folder), codec(*names), bool(names))


LINES = ['{"by":"x1"}', f'{{"by":"x1","call":0,"tool":"{CANARY}"}}']


async def write(folder: Path, *names: str, journal: str = "run/task-1") -> Path:
    for line in LINES:
        await journals(folder, *names).append(journal, line)
    return folder / f"{journal}.jsonl"


def said(lines: list[str]) -> list[str]:
    return [line for line in lines if line]


async def test_a_journal_on_the_disk_tells_nothing(tmp_path: Path) -> None:
    file = await write(tmp_path, "k1")
    assert CANARY not in file.read_text()
    assert said(await journals(tmp_path, "k2", "k1").read("run/task-1")) == LINES
    with pytest.raises(StorageFailed, match=r"a journal cannot be read: .* key 'k1', .* has k2"):
        await journals(tmp_path, "k2").read("run/task-1")


async def test_a_journal_of_before_goes_on(tmp_path: Path) -> None:
    await write(tmp_path)
    await write(tmp_path, "k1")
    assert said(await journals(tmp_path, "k1").read("run/task-1")) == LINES * 2


async def test_a_journal_that_was_cut_off_goes_on(tmp_path: Path) -> None:
    file = await write(tmp_path, "k1")
    whole = file.read_text()
    for length in range(len(whole) - 1, len(whole) - len(whole) // 3, -7):
        file.write_text(whole[:length])
        await journals(tmp_path, "k1").append("run/task-1", LINES[0])
        lines = said(await journals(tmp_path, "k1").read("run/task-1"))
        assert lines in ([LINES[0], LINES[0]], [*LINES, LINES[0]]), length


async def test_a_line_is_good_for_its_own_journal_alone(tmp_path: Path) -> None:
    file = await write(tmp_path, "k1")
    (tmp_path / "run/task-2.jsonl").write_text(file.read_text())
    with pytest.raises(StorageFailed, match="is another journal's"):
        await journals(tmp_path, "k1").read("run/task-2")
    (payload,) = await codec("k1").encode([Payload(metadata={"name": b"run/task-3"}, data=LINES[0].encode())])
    (tmp_path / "run/task-3.jsonl").write_text(await sealing.seal_line(lambda _: given_back(payload), "", ""))
    with pytest.raises(StorageFailed, match="was sealed as something else"):
        await journals(tmp_path, "k1").read("run/task-3")


async def given_back(payload: Payload) -> Payload:
    return payload


# Documents


def documents(folder: Path, *names: str) -> StoredDocuments:
    (folder / "scratch").mkdir(exist_ok=True)
    return StoredDocuments(FileDocuments(folder / "kept"), encryption(*names), folder / "scratch" if names else None)


async def add(stored: StoredDocuments, content: bytes) -> str:
    stored.folder.mkdir(parents=True, exist_ok=True)
    file = stored.folder / "new"
    file.write_bytes(content)
    return await stored.add(file)


async def read(stored: StoredDocuments, name: str) -> bytes:
    async with stored.opened([name]) as files:
        return files[name].read_bytes()


def on_disk(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


@pytest.mark.parametrize("size", [0, 10, sealing.PIECE, 2 * sealing.PIECE + 5])
async def test_a_document_on_the_disk_tells_nothing(tmp_path: Path, size: int) -> None:
    content = (CANARY * (size // len(CANARY) + 1)).encode()[:size]
    name = await add(documents(tmp_path, "k1"), content)
    (file,) = on_disk(tmp_path)
    assert (file.name, CANARY.encode() in file.read_bytes()) == (name, False)
    assert await read(documents(tmp_path, "k2", "k1"), name) == content
    with pytest.raises(StorageFailed, match=r"a document cannot be read: .* key 'k1'"):
        await read(documents(tmp_path, "k2"), name)
    with pytest.raises(StorageFailed, match="TASKFLOW_ENCRYPTION_KEYS is not set"):
        await read(documents(tmp_path), name)


async def test_a_document_of_before_is_read(tmp_path: Path) -> None:
    name = await add(documents(tmp_path), CANARY.encode())
    assert await read(documents(tmp_path, "k1"), name) == CANARY.encode()


def records(file: Path) -> list[bytes]:
    content, found = file.read_bytes()[len(MAGIC) :], []
    while content:
        length = 4 + int.from_bytes(content[:4])
        found.append(content[:length])
        content = content[length:]
    return found


@pytest.mark.parametrize("order", [[0], [0, 1], [1, 2], [0, 2, 1], [0, 1, 1, 2], [0, 1, 2, 2], [0, 4, 2], []])
async def test_pieces_of_a_document_cannot_be_left_out_moved_or_mixed(tmp_path: Path, order: list[int]) -> None:
    stored = documents(tmp_path, "k1")
    files = [tmp_path / "one", tmp_path / "two"]
    for file, sign in zip(files, b"ab", strict=True):
        (tmp_path / "plain").write_bytes(bytes([sign]) * (2 * sealing.PIECE + 5))
        with (tmp_path / "plain").open("rb") as plain:
            await sealing.seal_file(codec("k1").encrypted, plain, file)
    pieces = [*records(files[0]), *records(files[1])]
    file = tmp_path / "unfinished"
    file.write_bytes(MAGIC + b"".join(pieces[number] for number in order))
    name = await FileDocuments(tmp_path / "kept").add(file)
    with pytest.raises(StorageFailed, match="is damaged: pieces of it"):
        await read(stored, name)


async def test_a_document_is_in_plain_only_while_it_is_read(tmp_path: Path) -> None:
    stored = documents(tmp_path, "k1")
    assert stored.folder == tmp_path / "scratch"
    name = await add(stored, CANARY.encode())
    async with stored.opened([name]) as files:
        assert files[name].is_relative_to(tmp_path / "scratch")
    assert on_disk(tmp_path / "scratch") == []


def test_what_a_killed_process_had_in_plain_is_removed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    code = (
        "import os; from runtime.storage.scratch import scratch_folder\n"
        "with scratch_folder() as folder: (folder / 'plain').write_text('x'); os.kill(os.getpid(), 9)"
    )
    with scratch_folder() as mine:
        subprocess.run([sys.executable, "-c", code], check=False, timeout=30)
        assert len(list(tmp_path.glob("*/plain"))) == 1
        with scratch_folder() as another:
            assert sorted(tmp_path.iterdir()) == sorted([mine, another])
    assert list(tmp_path.iterdir()) == []
