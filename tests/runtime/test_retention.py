"""How long the embedded server keeps runs that have ended."""

from datetime import timedelta
from pathlib import Path

import pytest
from temporalio.client import Client

from grammar.errors import UserError
from runtime.backend import open_backend
from runtime.local_server import retention
from tests.support.dev_server import DevServer

DAY = timedelta(days=1)


@pytest.fixture(autouse=True)
def unset(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEMPORAL_ADDRESS", raising=False)
    monkeypatch.delenv(retention.VARIABLE, raising=False)


async def test_ninety_days_unless_somebody_says_otherwise(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with open_backend() as backend:
        assert await retention.of(backend.client) == 90 * DAY
        await retention._set(backend.client, DAY)  # as a database of before has it
        await retention.ensure(backend.client)
        assert await retention.of(backend.client) == 90 * DAY
        monkeypatch.setenv(retention.VARIABLE, "30d")
        await retention.ensure(backend.client)
        assert await retention.of(backend.client) == 30 * DAY
        monkeypatch.delenv(retention.VARIABLE)
        await retention.ensure(backend.client)
        assert await retention.of(backend.client) == 30 * DAY


@pytest.mark.parametrize(("text", "says"), [("soon", "write a duration"), ("2h", "for a day at least; write 1d")])
async def test_what_is_no_retention_is_one_clear_line(text: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(retention.VARIABLE, text)
    with pytest.raises(UserError, match=f"TASKFLOW_RETENTION is '{text}': .*{says}"):
        retention.configured()


async def test_a_server_that_refuses_stops_no_run(dev_server: DevServer, caplog: pytest.LogCaptureFixture) -> None:
    client = await Client.connect(dev_server.address, namespace="nowhere")
    await retention.ensure(client)
    assert "the retention of the embedded server could not be set" in caplog.text
