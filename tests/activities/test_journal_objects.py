"""Journals in S3: a real server, and what several workers do to them."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from mcp.types import CallToolResult, TextContent
from temporalio.exceptions import ApplicationError

from activities.process.secrets import Secrets
from activities.storage.journal import Journal
from activities.storage.journal_objects import MAX_REMEMBERED, JournalObjects
from grammar.errors import StorageFailed
from runtime.storage.s3 import Bucket, opened
from runtime.storage.s3_url import BucketUrl
from tests.activities.boxes import box
from tests.activities.conftest import KEY, Bench
from tests.support.s3_server import S3
from tests.support.scripted_endpoint import Call, Match, Reply, ScriptedEndpoint

MB = 2**20


@pytest_asyncio.fixture(loop_scope="module")
async def bucket(s3: S3) -> AsyncIterator[Bucket]:
    async with opened(BucketUrl(s3.bucket, "p/")) as bucket:
        yield bucket


async def test_lines_come_back_in_order(bucket: Bucket, s3: S3) -> None:
    lines = [*(f"line {number} ⟦é⟧" for number in range(12)), "x" * 2 * MB]
    journals = JournalObjects(bucket)
    for line in lines:
        await journals.append("run/task-1", line)
    await journals.append("run/task-10", "another")
    assert await journals.read("run/task-1") == await JournalObjects(bucket).read("run/task-1") == lines
    assert await journals.read("run/task-2") == []
    assert s3.objects()["p/journals/run/task-1/00000003"].decode() == lines[3]


async def test_two_writers_at_once_lose_nothing(bucket: Bucket) -> None:
    writers = [JournalObjects(bucket) for _ in range(2)]
    own = [[f"{name} {number}" for number in range(10)] for name in "ab"]

    async def write(writer: JournalObjects, lines: list[str]) -> None:
        for line in lines:
            await writer.append("k", line)

    await asyncio.gather(*map(write, writers, own))
    read = await writers[0].read("k")
    assert sorted(read) == sorted(own[0] + own[1])
    assert [[line for line in read if line in lines] for lines in own] == own


async def test_a_line_comes_after_all_that_were_there(bucket: Bucket) -> None:
    behind, ahead = JournalObjects(bucket), JournalObjects(bucket)
    await behind.append("k", "1")
    for line in "234":
        await ahead.append("k", line)
    await behind.append("k", "5")
    assert await ahead.read("k") == list("12345")


@pytest.mark.parametrize("name", ["notes.txt", "0000001", "٠٠٠٠٠٠٠٠", "9/00000009", "zzz", "00000009.bak", ""])
async def test_what_somebody_else_put_there_is_no_line(bucket: Bucket, s3: S3, name: str) -> None:
    s3.put(f"p/journals/k/{name}", b"theirs")
    await JournalObjects(bucket).append("k", "1")
    await JournalObjects(bucket).append("k", "2")
    assert await JournalObjects(bucket).read("k") == ["1", "2"]
    assert sorted(s3.objects()) == sorted(f"p/journals/k/{each}" for each in ("00000000", "00000001", name))


async def call(journal: Journal, text: str) -> str:
    async def make() -> CallToolResult:
        return CallToolResult(content=[TextContent(type="text", text=text)])

    (part,) = (await journal.call("t", {}, False, make)).content
    assert isinstance(part, TextContent)
    return part.text


async def test_what_a_lost_worker_still_writes_is_void(bucket: Bucket) -> None:
    async def attempt() -> Journal:
        """On a worker of its own."""
        journal = Journal(JournalObjects(bucket), "run/task-1", Secrets([], KEY))
        await journal.open()
        return journal

    lost = await attempt()
    await call(lost, "first call")
    second = await attempt()
    await call(lost, "second call, of the lost one")
    third = await attempt()
    for journal in (second, third):
        assert await call(journal, "asked again") == "first call"
        assert await call(journal, "second call") == "second call"


async def test_numbers_are_not_remembered_for_ever(bucket: Bucket) -> None:
    class Nowhere:
        async def create(self, key: str, content: bytes) -> bool:
            return True

        async def keys(self, folder: str) -> list[str]:
            return []

    journals = JournalObjects(Nowhere())  # type: ignore[arg-type]
    for number in range(MAX_REMEMBERED + 10):
        await journals.append(str(number), "")
    assert len(journals._next) == MAX_REMEMBERED


async def test_an_agent_goes_on_from_a_journal_in_s3(
    bench: Bench, bucket: Bucket, s3: S3, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    path = tmp_path / "count"
    endpoint.rules = [
        Reply(when=Match(turn=1), times=1, status=500),
        Reply(when=Match(turn=0), tool_calls=[Call(name="count", arguments={"path": str(path), "text": "once"})]),
        Reply(text="done"),
    ]
    fields: dict[str, Any] = {"toolboxes": box()}
    bench.journals = JournalObjects(bucket)
    with pytest.raises(ApplicationError):
        await bench.agent(**fields)
    bench.journals = JournalObjects(bucket)
    assert (await bench.agent(**fields)).said[-1].text == "done"
    assert path.read_text().split() == ["once"]
    assert len(endpoint.requests) == 3
    assert all(key.startswith("p/journals/") for key in s3.objects())


async def test_a_journal_that_cannot_be_written_fails_the_attempt(
    bench: Bench, bucket: Bucket, endpoint: ScriptedEndpoint, tmp_path: Path
) -> None:
    class Full(JournalObjects):
        async def append(self, key: str, line: str) -> None:
            if '"call"' in line:
                raise StorageFailed("cannot write s3://b/k: no")
            await super().append(key, line)

    path = tmp_path / "count"
    endpoint.rules = [
        Reply(when=Match(turn=0), tool_calls=[Call(name="count", arguments={"path": str(path), "text": "once"})])
    ]
    bench.journals = Full(bucket)
    with pytest.raises(ApplicationError, match="cannot write s3://b/k: no") as failed:
        await bench.agent(toolboxes=box())
    assert (failed.value.type, failed.value.non_retryable) == ("StorageFailed", False)
    assert not path.exists()
    assert len(endpoint.requests) == 1
