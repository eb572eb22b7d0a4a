"""Big values in S3: where they are told to go, and that they come back."""

import asyncio
import os
import socket
import subprocess
import sys
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.envconfig import ClientConnectConfig

from grammar.errors import NoStorage, StorageFailed
from runtime.backend import open_backend
from runtime.connection import connect
from runtime.storage import s3_url
from runtime.storage.converter import data_converter
from runtime.storage.s3 import Bucket, opened
from runtime.storage.s3_url import BucketUrl
from tests.runtime.test_payloads import Measure, worker
from tests.support.dev_server import DevServer
from tests.support.s3_server import PAGE, ROOT, S3
from tests.support.waiting import until_async

MB = 2**20


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("s3://flows", BucketUrl("flows")),
        ("s3://flows/", BucketUrl("flows")),
        ("s3://flows.example/team/a", BucketUrl("flows.example", "team/a/")),
        ("s3://flows/team=1/", BucketUrl("flows", "team=1/")),
    ],
)
def test_urls(text: str, url: BucketUrl) -> None:
    assert BucketUrl.parse(text) == url
    assert str(url) == text.removesuffix("/")


@pytest.mark.parametrize(
    "text",
    ["flows", "s3:flows", "s3://", "s3:///a", "https://flows/a", "s3://flows//a", "s3://flows/a b", "s3://flows/../a",
     "s3://f", "s3://flows?a=b", "s3://key:secret@flows"],
)  # fmt: skip
def test_malformed_urls_are_refused(text: str) -> None:
    with pytest.raises(NoStorage, match=r"TASKFLOW_PAYLOAD_S3 is .*; write s3://BUCKET or s3://BUCKET/PREFIX"):
        BucketUrl.parse(text)


def test_one_place_for_payloads(monkeypatch: pytest.MonkeyPatch) -> None:
    assert s3_url.configured() is None
    monkeypatch.setenv("TASKFLOW_PAYLOAD_S3", "s3://flows/a")
    assert s3_url.configured() == BucketUrl("flows", "a/")
    monkeypatch.setenv("TASKFLOW_PAYLOAD_DIR", "/shared")
    with pytest.raises(NoStorage, match="TASKFLOW_PAYLOAD_S3 and TASKFLOW_PAYLOAD_DIR are both set"):
        s3_url.configured()


async def test_a_payload_goes_to_the_bucket_and_comes_back(s3: S3) -> None:
    text = os.urandom(30 * MB).hex()  # more than the driver takes unless told, and in several parts
    async with opened(BucketUrl(s3.bucket, "team/a/")) as bucket:
        converter = data_converter(bucket.payloads())
        payloads = await converter.encode([text, "small"])
        assert sum(len(payload.data) for payload in payloads) < 1000
        assert await converter.decode(payloads, [str, str]) == [text, "small"]
        ((key, content),) = s3.objects().items()
        assert (key.startswith("team/a/v0/"), len(content) > 60 * MB) == (True, True)
        s3.put(key, b"damaged")
        with pytest.raises(ValueError, match="integrity check failed"):
            await converter.decode(payloads[:1])
        s3.delete(key)
        with pytest.raises(RuntimeError, match=r"retrieve failed .*/team/a"):
            await converter.decode(payloads[:1])


async def test_a_run_waits_for_a_missing_object_and_goes_on_when_it_is_back(s3: S3, dev_server: DevServer) -> None:
    async with opened(BucketUrl(s3.bucket)) as bucket:
        config = ClientConnectConfig(target_host=dev_server.address)
        client = await connect(config, data_converter(bucket.payloads()))
        queue, again = uuid.uuid4().hex, timedelta(seconds=1)
        handle = await client.start_workflow(Measure.run, "x" * MB, id=queue, task_queue=queue, task_timeout=again)
        ((key, content),) = s3.objects().items()
        s3.delete(key)

        async def said() -> bool:
            return "S3StorageDriver retrieve failed" in str((await handle.fetch_history()).events)

        async with worker(client, queue):
            await until_async(said)
            await asyncio.to_thread(s3.put, key, content)  # the worker asks the same server, from this loop
            assert await handle.result() == MB


async def test_the_place_holds_the_bucket_open(s3: S3, dev_server: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.address)
    async with open_backend() as backend:
        assert backend.bucket is None
    monkeypatch.setenv("TASKFLOW_PAYLOAD_S3", f"s3://{s3.bucket}")
    async with open_backend() as backend:
        assert backend.bucket
        assert await backend.bucket.create("a/b", b"x")
        assert backend.client.data_converter.external_storage
    assert s3.objects() == {"a/b": b"x"}


async def test_what_s3_refuses_at_the_start_is_said_in_one_line(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(NoStorage, match=r"^TASKFLOW_PAYLOAD_S3: there is no bucket elsewhere$"):
        async with opened(BucketUrl("elsewhere")):
            pass
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{unused.getsockname()[1]}")
        with pytest.raises(NoStorage, match=r"^TASKFLOW_PAYLOAD_S3: Could not connect to the endpoint URL"):
            async with opened(BucketUrl(s3.bucket)):
                pass
    monkeypatch.setenv("AWS_ENDPOINT_URL", "nowhere")
    with pytest.raises(NoStorage, match=r"^TASKFLOW_PAYLOAD_S3: Invalid endpoint: nowhere"):
        async with opened(BucketUrl(s3.bucket)):
            pass


async def test_without_the_extra_it_says_how_to_install_it(
    dev_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", dev_server.address)
    monkeypatch.setenv("TASKFLOW_PAYLOAD_S3", "s3://flows")
    monkeypatch.delitem(sys.modules, "runtime.storage.s3")
    monkeypatch.setitem(sys.modules, "aiobotocore.session", None)
    with pytest.raises(NoStorage, match=r"needs more packages: pip install 'temporal-taskflow\[s3\]'"):
        async with open_backend():
            pass


def test_nothing_of_it_is_loaded_unless_it_is_configured() -> None:
    code = (
        "import sys, starter, commands.run; sys.exit(bool({'aiobotocore', 'botocore', 'aiohttp'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, cwd=ROOT).returncode == 0


async def test_objects(s3: S3, tmp_path: Path) -> None:
    async with opened(BucketUrl(s3.bucket, "p/")) as bucket:
        assert [await bucket.create("a/1", b"x"), await bucket.create("a/1", b"y")] == [True, False]
        assert await bucket.create("a-b/2", b"z")
        assert (await bucket.read("a/1"), await bucket.keys("a"), await bucket.keys("b")) == (b"x", ["a/1"], [])
        await missing(bucket, tmp_path)


async def missing(bucket: Bucket, folder: Path) -> None:
    said = "cannot read s3://.*/p/a/3: .*does not exist"
    with pytest.raises(StorageFailed, match=said):
        await bucket.read("a/3")
    with pytest.raises(StorageFailed, match=said):
        await bucket.download("a/3", folder / "3")


async def test_more_keys_than_one_answer_holds(s3: S3) -> None:
    async with opened(BucketUrl(s3.bucket)) as bucket:
        for number in range(2 * PAGE + 1):
            await bucket.create(f"a/{number:04}", b"")
        assert await bucket.keys("a") == [f"a/{number:04}" for number in range(2 * PAGE + 1)]
