"""Activities in Temporal's own test environment, with what a worker would give them."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from temporalio.testing import ActivityEnvironment

from activities.agent import AgentActivity
from activities.agents.local_model import LocalModel
from activities.agents.model_clients import ModelClients
from activities.process.background import Background
from activities.process.completion_batching import CompletionBatching
from activities.process.render import Renderer
from activities.shell import ShellActivity
from activities.storage.documents import Documents
from activities.storage.journal_store import JournalStore
from activities.toolboxes.pool import ServerPool
from grammar.documents.field_types import Schema
from grammar.documents.models import Personality
from grammar.messages.activity_requests import KEPT_OF_TASK, AgentRequest, AgentSpec, ShellRequest, TemplateContext
from grammar.messages.activity_results import BranchResult
from tests.support.scripted_endpoint import Reply, ScriptedEndpoint

KEY = "k1"
SERVER = Path(__file__).parents[1] / "support/mcp_server.py"
FAILING_SERVER = SERVER.with_name("failing_server.py")


@dataclass
class Bench:
    """Run one activity at a time, with what a worker would give it."""

    renderer: Renderer
    models: ModelClients
    pool: ServerPool
    env: ActivityEnvironment
    journals: JournalStore | None = None
    documents: Documents | None = None
    background: Background | None = None

    async def shell(
        self, script: str, outputs: Schema | None = None, kept: int = KEPT_OF_TASK, folder: str = "", **env: str
    ) -> BranchResult:
        """Run a script. `env`: the task's."""
        context = TemplateContext(env=env, key=KEY)
        request = ShellRequest(script=script, outputs=outputs, surroundings=context, kept=kept, folder=folder)
        return await self.env.run(ShellActivity(self.renderer, self.documents, self.background).run_shell, request)

    async def agent(self, prompt: str = "hi", **fields: Any) -> BranchResult:
        """Run an agent. `fields`: of the request; `env`: the task's."""
        context = TemplateContext(env=fields.pop("env", {}), key=KEY)
        agents = fields.pop("agents", [AgentSpec(name="brief", personality=Personality(personality="Be brief."))])
        request = AgentRequest(
            **{"prompt": prompt, "agents": agents, "max_turns": 5, "surroundings": context, **fields}
        )
        agents_activity = AgentActivity(
            self.renderer, self.models, CompletionBatching(), self.pool, self.journals, self.documents
        )
        return await self.env.run(agents_activity.run_agent, request)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The tests of a file run in one event loop, as they share a renderer, whose child belongs to a loop."""
    for item in items:
        if Path(__file__).parent in item.path.parents and pytest_asyncio.is_async_test(item):
            item.add_marker(pytest.mark.asyncio(loop_scope="module"), append=False)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def renderer() -> AsyncIterator[Renderer]:
    """One for all tests of a file: the start of its child takes longer than most of them."""
    renderer = Renderer()
    yield renderer
    await renderer.close()


async def new_pool() -> AsyncIterator[ServerPool]:
    """Servers, which end with the pool."""
    pool = ServerPool()
    yield pool
    await pool.close()


pool = pytest_asyncio.fixture(new_pool, scope="module", loop_scope="module", name="pool")


@pytest_asyncio.fixture(loop_scope="module")
async def bench(renderer: Renderer, pool: ServerPool) -> AsyncIterator[Bench]:
    models = ModelClients(LocalModel())
    yield Bench(renderer, models, pool, ActivityEnvironment())
    await models.close()


@pytest.fixture
def endpoint(monkeypatch: pytest.MonkeyPatch) -> Iterator[ScriptedEndpoint]:
    with ScriptedEndpoint([Reply(text="an answer")]) as endpoint:
        monkeypatch.setenv("AI_API_ENDPOINT", endpoint.url)
        monkeypatch.setenv("AI_API_TOKEN", "the-key-of-the-tests")
        yield endpoint
