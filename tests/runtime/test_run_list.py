"""The list of runs, on a real server. Nobody serves the runs here."""

import uuid
from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client

from grammar.documents.models import Task
from grammar.messages.names import NAME_ATTRIBUTE, TASK_QUEUE
from grammar.messages.run_bundle import Bundle
from runtime.runs import run_list, runs
from runtime.runs.run_list import RunFilter
from runtime.storage.converter import data_converter
from tests.support.dev_server import DevServer
from tests.support.waiting import until_async


@pytest.fixture
async def client(dev_server: DevServer) -> Client:
    return await Client.connect(dev_server.address, data_converter=data_converter(None))


@pytest.fixture
async def name(client: Client) -> str:
    """The name of a flow of which three runs were started, `-1` to `-3`, and the second one was terminated."""
    name = f"flow-{uuid.uuid4().hex[:8]}"
    bundle = Bundle(name=name, source=f"flows/{name}.yaml", tasks=[Task(name="one", run="true")], hash="abc")
    started = [await runs.start(client, bundle, f"{name}-{number}", TASK_QUEUE) for number in (1, 2, 3)]
    await started[1].terminate()

    async def all_are_there() -> bool:
        found = await run_list.listed(client, RunFilter(name=name))
        return [run.status for run in found] == ["running", "terminated", "running"]

    await until_async(all_are_there)
    return name


@pytest.mark.parametrize("attribute", [NAME_ATTRIBUTE, "NamespaceLacksIt"])
async def test_filters(client: Client, name: str, attribute: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the server; and where it does not know our search attributes, on what comes back."""
    monkeypatch.setattr(run_list, "NAME_ATTRIBUTE", attribute)
    hour_ago, tomorrow = (datetime.now(UTC) + timedelta(hours=hours) for hours in (-1, 24))
    for wanted, found in (
        (RunFilter(name=name), "321"),
        (RunFilter(name=name, limit=2), "32"),
        (RunFilter(name=name, since=hour_ago), "321"),
        (RunFilter(name=name, since=tomorrow), ""),
        (RunFilter(name=name, status="running"), "31"),
        (RunFilter(name=name, status="terminated"), "2"),
        (RunFilter(name=name, status="parked"), ""),
        (RunFilter(name=f'{name}" OR WorkflowId != "'), ""),
    ):
        assert [run.id for run in await run_list.listed(client, wanted)] == [f"{name}-{one}" for one in found], wanted


async def test_each_status_may_be_asked_for(client: Client) -> None:
    for status in run_list.STATUSES:
        await run_list.listed(client, RunFilter(status=status, limit=1))
