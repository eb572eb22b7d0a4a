"""Documents in S3: a real server, and what several workers do to them."""

import asyncio
import hashlib
import os
import tracemalloc
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from grammar.errors import StorageFailed
from runtime.storage.document_objects import DocumentObjects
from runtime.storage.s3 import Bucket, opened
from runtime.storage.s3_url import BucketUrl
from tests.support.s3_server import S3

MB = 2**20


@pytest_asyncio.fixture(loop_scope="module")
async def bucket(s3: S3) -> AsyncIterator[Bucket]:
    async with opened(BucketUrl(s3.bucket, "p/")) as bucket:
        yield bucket


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


async def added(documents: DocumentObjects, folder: Path, content: bytes) -> str:
    file = folder / "made"
    file.write_bytes(content)
    key = await documents.add(file)
    assert not file.exists()
    return key


async def test_a_document_comes_back_on_another_worker(bucket: Bucket, s3: S3, tmp_path: Path) -> None:
    key = await added(DocumentObjects(bucket, tmp_path / "one"), tmp_path, b"content")
    assert key == sha256(b"content")
    assert s3.objects() == {f"p/documents/{key[:2]}/{key}": b"content"}
    another = DocumentObjects(bucket, tmp_path / "other")
    paths = await asyncio.gather(*(another.path(key) for _ in range(3)))
    assert set(paths) == {tmp_path / "other" / key[:2] / key}
    assert (paths[0].read_bytes(), paths[0].parent.stat().st_mode & 0o077) == (b"content", 0)
    s3.delete(f"p/documents/{key[:2]}/{key}")
    assert await another.path(key) == paths[0]  # it is asked for once


async def test_a_document_that_is_missing_or_damaged(bucket: Bucket, s3: S3, tmp_path: Path) -> None:
    documents = DocumentObjects(bucket, tmp_path / "cache")
    key = await added(documents, tmp_path, b"content")
    s3.put(f"p/documents/{key[:2]}/{key}", b"contents")
    with pytest.raises(StorageFailed, match=f"the document {key} is damaged"):
        await documents.path(key)
    s3.delete(f"p/documents/{key[:2]}/{key}")
    with pytest.raises(StorageFailed, match=r"cannot read .*does not exist"):
        await documents.path(key)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []
    await added(documents, tmp_path, b"content")
    assert (await documents.path(key)).read_bytes() == b"content"


async def test_a_big_document_is_never_in_memory(bucket: Bucket, tmp_path: Path) -> None:
    documents = DocumentObjects(bucket, tmp_path / "cache")
    file = tmp_path / "made"
    piece = os.urandom(MB)
    with file.open("wb") as made:
        for _ in range(60):
            made.write(piece)
    tracemalloc.start()
    try:
        key = await documents.add(file)
        path = await documents.path(key)
        assert tracemalloc.get_traced_memory()[1] < 15 * MB
    finally:
        tracemalloc.stop()
    assert path.stat().st_size == 60 * MB
