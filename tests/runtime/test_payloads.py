"""Big payloads: in files, through a real workflow, and what happens without."""

import asyncio
import os
import uuid
from datetime import timedelta
from pathlib import Path

import pytest
from temporalio import activity, workflow
from temporalio.api.common.v1 import Payload
from temporalio.client import Client, WorkflowFailureError
from temporalio.common import RetryPolicy
from temporalio.converter import StorageDriverClaim, StorageDriverRetrieveContext, StorageDriverStoreContext
from temporalio.envconfig import ClientConnectConfig
from temporalio.exceptions import ActivityError, ApplicationError
from temporalio.worker import Worker

from grammar.errors import TaskflowError
from runtime.connection import connect
from runtime.sandbox import workflow_runner
from runtime.storage.converter import data_converter, shared_folder
from runtime.storage.payloads import FileStorageDriver
from tests.support.dev_server import DevServer
from tests.support.waiting import until_async

SIZE = 3_000_000
STORE, RETRIEVE = StorageDriverStoreContext(), StorageDriverRetrieveContext()


@activity.defn
async def produce(size: int) -> str:
    return os.urandom(size // 2).hex()


@activity.defn
async def measure(text: str) -> int:
    return len(text)


@workflow.defn
class PassOn:
    @workflow.run
    async def run(self, size: int) -> int:
        policy = RetryPolicy(non_retryable_error_types=["PayloadsTooLarge"])
        limit = timedelta(seconds=20)
        text = await workflow.execute_activity(produce, size, start_to_close_timeout=limit, retry_policy=policy)
        return await workflow.execute_activity(measure, text, start_to_close_timeout=limit)


@workflow.defn
class Measure:
    @workflow.run
    async def run(self, text: str) -> int:
        return len(text)


@pytest.mark.parametrize("digest", ["/etc/hostname", "../" * 20 + "etc/hostname", "", "é" * 64])
async def test_a_reference_leads_to_no_other_file(tmp_path: Path, digest: str) -> None:
    claim = StorageDriverClaim({"sha256": digest})
    with pytest.raises(TaskflowError, match="is not the name of a payload file"):
        await FileStorageDriver(tmp_path).retrieve(RETRIEVE, [claim])


def worker(client: Client, queue: str) -> Worker:
    return Worker(
        client,
        task_queue=queue,
        workflows=[PassOn, Measure],
        activities=[produce, measure],
        workflow_runner=workflow_runner(),
    )


async def pass_on(client: Client) -> int:
    queue = uuid.uuid4().hex
    async with worker(client, queue):
        return await client.execute_workflow(PassOn.run, SIZE, id=queue, task_queue=queue)


def files(directory: Path) -> list[Path]:
    return [path for path in directory.rglob("*") if path.is_file()]


async def test_big_value_through_a_workflow(dev_server: DevServer, tmp_path: Path) -> None:
    client = await connect(ClientConnectConfig(target_host=dev_server.address), data_converter(tmp_path / "p"))
    assert await pass_on(client) == SIZE
    (stored,) = files(tmp_path / "p")  # result and argument are the same bytes: one file
    assert stored.stat().st_size > SIZE
    assert stored.stat().st_mode & 0o077 == 0


async def test_without_storage_a_big_value_fails_at_once_where_the_policy_says_so(
    dev_server: DevServer, capfd: pytest.CaptureFixture[str]
) -> None:
    client = await connect(ClientConnectConfig(target_host=dev_server.address), data_converter(None))
    with pytest.raises(WorkflowFailureError) as failure:
        await pass_on(client)
    assert isinstance(failure.value.cause, ActivityError)
    assert isinstance(failure.value.cause.cause, ApplicationError)
    assert failure.value.cause.cause.type == "PayloadsTooLarge"
    assert capfd.readouterr().out == ""  # the SDK's log is not the user's output


async def test_run_waits_for_a_missing_file_and_goes_on_when_it_is_back(dev_server: DevServer, tmp_path: Path) -> None:
    client = await connect(ClientConnectConfig(target_host=dev_server.address), data_converter(tmp_path / "p"))
    queue = uuid.uuid4().hex
    again = timedelta(seconds=1)
    handle = await client.start_workflow(Measure.run, "x" * SIZE, id=queue, task_queue=queue, task_timeout=again)
    (tmp_path / "p").rename(tmp_path / "away")

    async def said() -> bool:
        events = (await handle.fetch_history()).events
        failures = [event.workflow_task_failed_event_attributes.failure for event in events]
        return any("payload file" in str(failure) and "is missing" in str(failure) for failure in failures)

    async with worker(client, queue):
        await until_async(said)
        (tmp_path / "away").rename(tmp_path / "p")
        assert await handle.result() == SIZE


async def test_round_trip_keeps_order(tmp_path: Path) -> None:
    driver = FileStorageDriver(tmp_path)
    payloads = [Payload(metadata={"encoding": b"x"}, data=os.urandom(1000)) for _ in range(20)]
    claims = await driver.store(STORE, payloads)
    assert await driver.retrieve(RETRIEVE, claims) == payloads


async def test_same_payload_stored_at_once_is_one_file(tmp_path: Path) -> None:
    driver = FileStorageDriver(tmp_path)
    payload = Payload(data=os.urandom(1_000_000))
    claims = await asyncio.gather(*(driver.store(STORE, [payload]) for _ in range(8)))
    assert len(files(tmp_path)) == 1
    assert len({tuple(claim[0].claim_data.items()) for claim in claims}) == 1


async def test_missing_file_is_named(tmp_path: Path) -> None:
    driver = FileStorageDriver(tmp_path)
    claims = await driver.store(STORE, [Payload(data=b"x")])
    (stored,) = files(tmp_path)
    stored.unlink()
    with pytest.raises(TaskflowError, match=f"payload file {stored} is missing"):
        await driver.retrieve(RETRIEVE, claims)


async def test_damaged_file_is_refused(tmp_path: Path) -> None:
    driver = FileStorageDriver(tmp_path)
    claims = await driver.store(STORE, [Payload(data=b"x")])
    files(tmp_path)[0].write_bytes(b"y")
    with pytest.raises(TaskflowError, match="is damaged"):
        await driver.retrieve(RETRIEVE, claims)


def test_where_payloads_of_a_given_server_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("TASKFLOW_PAYLOAD_DIR", raising=False)
    assert shared_folder() is None
    monkeypatch.setenv("TASKFLOW_PAYLOAD_DIR", str(tmp_path / "shared"))
    assert shared_folder() == tmp_path / "shared"
