"""What is removed with runs that ended long ago, and what is not."""

import os
import time
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowExecutionStatus,
    WorkflowHandle,
)

from grammar.messages.names import WORKFLOW, journal_folder
from runtime.runs import executions, pruning
from runtime.runs.executions import Execution, RunExecutions
from runtime.storage.converter import data_converter
from runtime.storage.document_files import FileDocuments
from runtime.storage.payloads import is_kept
from runtime.storage.stored_files import YOUNG, list_files, remove
from tests.support.dev_server import DevServer
from tests.support.waiting import until_async

LARGE = 300_000
AT_ONCE = timedelta(0)
KEY = "0123456789ab"


class Storage:
    """A namespace's runs, which nobody serves, and their payload storage."""

    def __init__(self, client: Client, folder: Path) -> None:
        self.client, self.folder = client, folder
        self._documents = FileDocuments(folder / "documents")

    async def start(self, run_id: str, *given: Any) -> WorkflowHandle[Any, Any]:
        return await self.client.start_workflow(WORKFLOW, args=given, id=run_id, task_queue="nobody")

    async def ended(self, run_id: str, *given: Any) -> None:
        await (await self.start(run_id, *given)).terminate()

        async def seen() -> bool:
            return any(run.ended for run in await executions.list_all(self.client, run_id))

        await until_async(seen)

    async def document(self, text: str) -> str:
        self._documents.folder.mkdir(parents=True, exist_ok=True)
        file = self._documents.folder / "new"
        file.write_text(text)
        return await self._documents.add(file)

    def journal(self, run_id: str, text: str = "{}") -> None:
        path = self.folder / "journals" / journal_folder(run_id, KEY) / "task-1.jsonl"
        path.parent.mkdir(parents=True)
        path.write_text(text)

    def age(self) -> None:
        """All that is there was written before yesterday."""
        for file in list_files(self.folder):
            os.utime(file.path, (time.time() - YOUNG - 60,) * 2)

    def keys(self, kind: str | None = None) -> set[str]:
        return {file.key for file in list_files(self.folder) if kind in (None, file.kind)}

    async def prune(self, older: timedelta = AT_ONCE, all_files: bool = True) -> pruning.Prunable:
        found = await pruning.find(self.client, self.folder, older)
        await pruning.prune(self.client, found, self.folder, all_files)
        return found


@pytest.fixture
async def storage(lone_server: DevServer, tmp_path: Path) -> Storage:
    folder = tmp_path / "payloads"
    return Storage(await Client.connect(lone_server.address, data_converter=data_converter(folder)), folder)


async def ids(client: Client) -> set[str]:
    return {run.id for run in await executions.list_all(client)}


async def seen(client: Client, wanted: Iterable[str]) -> None:
    """The server deletes in the background: what was closed just now, half a minute later."""

    async def as_wanted() -> bool:
        return await ids(client) == set(wanted)

    await until_async(as_wanted, 90)


async def test_all_that_belongs_to_an_old_run_alone_goes_with_it(storage: Storage) -> None:
    kept, mine, nested = [await storage.document(text) for text in ("kept", "mine", "nested")]
    shared, alone = "s" * LARGE, f"{nested} " * (LARGE // 65)
    await storage.ended("old", shared, alone, {"stored": {"key": mine}}, {"key": KEY}, kept)
    storage.journal("old")
    await storage.start("open", shared, {"key": KEY})
    storage.journal("open", f'{{"text": "{kept}"}}')
    assert len(storage.keys("payload")) == 2
    storage.age()

    found = await storage.prune()
    assert [run.id for run in found.runs] == ["old"]
    assert (len(found.files), found.left_over, found.young) == (4, [], 0)
    await seen(storage.client, ["open"])
    assert storage.keys("document") == {kept}
    assert storage.keys("journal") == {journal_folder("open", KEY)}
    assert len(storage.keys("payload")) == 1


async def test_what_belongs_to_no_run_goes_too_but_not_what_is_young(storage: Storage) -> None:
    await storage.document("of a run that the server forgot")
    storage.journal("forgotten")
    (storage.folder / "ab").mkdir()
    (storage.folder / "ab/tmp123").write_text("of a process that was killed")
    storage.age()
    young = await storage.document("of an activity that runs")
    found = await storage.prune(timedelta(days=30))
    assert (found.runs, found.files, found.young) == ([], [], 1)
    assert {file.kind for file in found.left_over} == {"document", "journal", "unfinished"}
    assert storage.keys() == {young}


async def test_open_and_newer_runs_stay(storage: Storage) -> None:
    await storage.ended("newer", "n" * LARGE)
    await storage.start("open", "o" * LARGE)
    storage.age()
    assert (await storage.prune(timedelta(days=1))).runs == []
    assert await ids(storage.client) == {"newer", "open"}
    assert len(storage.keys("payload")) == 2


async def test_what_a_schedule_needs_stays(storage: Storage) -> None:
    given = "g" * LARGE
    action = ScheduleActionStartWorkflow(WORKFLOW, given, id="nightly", task_queue="nobody")
    await storage.client.create_schedule("nightly", Schedule(action, ScheduleSpec(cron_expressions=["0 0 1 1 *"])))
    await storage.ended("old", given)
    storage.age()
    assert (await storage.prune()).files == []
    assert len(storage.keys("payload")) == 1


async def test_what_is_not_ours_alone_stays_but_for_journals(storage: Storage) -> None:
    """On a shared disk, a run of another server may have the same payload."""
    await storage.ended("old", "x" * LARGE, {"key": KEY})
    storage.journal("old")
    storage.journal("elsewhere")
    storage.age()
    await storage.prune(all_files=False)
    assert len(storage.keys("payload")) == 1
    assert storage.keys("journal") == {journal_folder("elsewhere", KEY)}


async def test_what_a_new_run_needs_by_now_stays(storage: Storage) -> None:
    """It began after the look around, and refers to what an old run left: by `--from`."""
    mine = await storage.document("mine")
    await storage.ended("old", mine)
    storage.age()
    found = await pruning.find(storage.client, storage.folder, AT_ONCE)
    assert [file.key for file in found.files] == [mine]
    await storage.start("new", mine)

    async def listed() -> bool:
        return "new" in await ids(storage.client)

    await until_async(listed)
    assert await pruning.prune(storage.client, found, storage.folder, all_files=True) == 0
    assert storage.keys() == {mine}


async def test_who_finds_a_payload_in_place_makes_it_new(storage: Storage) -> None:
    await storage.ended("old", "x" * LARGE)
    storage.age()
    found = await pruning.find(storage.client, storage.folder, AT_ONCE)
    await storage.client.data_converter.encode(["x" * LARGE])
    assert await pruning.prune(storage.client, found, storage.folder, all_files=True) == 0
    assert len(storage.keys("payload")) == 1


def test_a_file_that_becomes_new_while_it_is_removed_is_put_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "ab").mkdir()
    path = tmp_path / "ab" / ("ab" * 32)
    path.write_text("x")
    os.utime(path, (0, 0))
    (file,) = list_files(tmp_path)
    rename = Path.rename
    monkeypatch.setattr(Path, "rename", lambda here, there: (is_kept(here), rename(here, there)))
    assert remove(file) == 0
    assert path.exists()


def test_a_removal_that_was_interrupted_is_undone(tmp_path: Path) -> None:
    (tmp_path / "ab").mkdir()
    (tmp_path / "ab" / f"{'ab' * 32}.removing").write_text("x")
    assert [file.path.name for file in list_files(tmp_path)] == ["ab" * 32]


@pytest.mark.parametrize(
    "name",
    [
        "ab/notes.txt", f"cd/{'ab' * 32}", "ab/notes.removing", f"ab/{'ab' * 32}.txt", f"documents/ab/{'AB' * 32}",
        "journals/notes/today.jsonl", f"journals/{'ab' * 16}/notes.txt",
    ],
)  # fmt: skip
def test_what_has_another_name_is_somebody_elses(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.parent.mkdir(parents=True)
    path.write_text("theirs")
    assert list_files(tmp_path) == []
    assert path.exists()


@pytest.mark.parametrize("name", [f"ab/{'ab' * 32}", f"journals/{'ab' * 16}/task-1.jsonl", "ab/tmpabc"])
def test_what_is_no_file_is_left_alone(tmp_path: Path, name: str) -> None:
    (tmp_path / name).mkdir(parents=True)
    assert list_files(tmp_path) == []
    (tmp_path / name).rmdir()
    (tmp_path / name).symlink_to(tmp_path)
    assert list_files(tmp_path) == []


async def test_the_size_of_a_run(storage: Storage) -> None:
    await storage.ended("old", "x" * LARGE, {"key": KEY}, await storage.document("12345"))
    storage.journal("old", "123")
    await storage.ended("other", "y" * LARGE)
    size = await pruning.size_of(storage.client, storage.folder, "old")
    assert size.history > 0
    assert (size.journals, size.stored // 1000) == (3, LARGE // 1000)
    assert await pruning.size_of(storage.client, None, "nowhere") == pruning.RunSize(0)


ENDED = int(WorkflowExecutionStatus.COMPLETED)
CONTINUED = int(WorkflowExecutionStatus.CONTINUED_AS_NEW)


@pytest.mark.parametrize(
    ("statuses", "is_open"),
    [([ENDED], False), ([CONTINUED, ENDED], False), ([CONTINUED], True), ([CONTINUED, 1], True), ([8], True)],
)
def test_what_is_no_end_is_open(statuses: list[int], is_open: bool) -> None:
    """Status 8 is that of a run that Temporal itself has paused: the SDK does not know it."""
    closed = datetime(2026, 11, 26, tzinfo=UTC)
    executions = [Execution("x", status, None if status in (1, 8) else closed, 0) for status in statuses]
    assert (RunExecutions("run", executions).ended is None) == is_open
