"""A long run whose first histories the server has forgotten: each is kept for a while from its own end."""

import uuid

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client

from runtime.runs import history_reader, runs
from tests.support.dev_server import DevServer


async def test_it_began_when_what_is_known_began(dev_server: DevServer) -> None:
    client = await Client.connect(dev_server.address)
    handle = await client.start_workflow("Nobody", id=str(uuid.uuid4()), task_queue="nobody")
    description = await handle.describe()
    assert await runs.began(handle, description) == description.start_time
    description.raw_description.workflow_execution_info.first_run_id = str(uuid.uuid4())
    assert await runs.began(handle, description) == description.start_time


async def test_what_is_known_is_read(dev_server: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    client = await Client.connect(dev_server.address)
    handle = await client.start_workflow("Nobody", id=str(uuid.uuid4()), task_queue="nobody")
    take = history_reader._Reader.take

    async def continued(self: history_reader._Reader, event: HistoryEvent) -> None:
        await take(self, event)
        self.before = str(uuid.uuid4())

    monkeypatch.setattr(history_reader._Reader, "take", continued)
    history, started = await history_reader._histories(client, handle.id, handle.first_execution_run_id or "")
    assert (history.histories, started) == (1, (await handle.describe()).start_time)
