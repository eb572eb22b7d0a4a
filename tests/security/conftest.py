"""Fixtures of other rungs, for attacks: desks and endpoints of whole runs, and a bench for agent runs."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from activities.agents.local_model import LocalModel
from activities.agents.model_clients import ModelClients
from activities.process.render import Renderer
from activities.toolboxes.pool import ServerPool
from tests.activities.conftest import Bench, endpoint
from tests.e2e.conftest import desk, remote, scripted
from tests.security.owner import WorkerLog

__all__ = ["desk", "endpoint", "remote", "scripted"]


@pytest_asyncio.fixture
async def bench() -> AsyncIterator[Bench]:
    """One that shares nothing with other tests: attacks leave nothing behind."""
    renderer, models, pool = Renderer(), ModelClients(LocalModel()), ServerPool()
    yield Bench(renderer, models, pool, ActivityEnvironment())
    await models.close()
    await pool.close()
    await renderer.close()


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> WorkerLog:
    return WorkerLog(caplog)
