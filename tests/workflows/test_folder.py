"""The folder that a run was started in goes along to what it deploys (specification section 5)."""

import pytest

from grammar.documents.models import Task
from grammar.messages.activity_requests import AgentRequest, ShellRequest
from grammar.messages.activity_results import BranchResult
from grammar.messages.names import SETUP_MEMO
from grammar.model_access.process_setup import ProcessSetup
from tests.workflows.conftest import FlowRunner, ask, said

pytestmark = pytest.mark.asyncio(loop_scope="session")


@pytest.mark.parametrize(
    ("memo", "folder"), [({SETUP_MEMO: ProcessSetup(folder="/home/me/x")}, "/home/me/x"), ({}, "")]
)
async def test_it_reaches_scripts_and_agents(runner: FlowRunner, memo: dict[str, ProcessSetup], folder: str) -> None:
    seen = []

    def answer(request: AgentRequest | ShellRequest) -> BranchResult:
        seen.append(request.folder)
        return said("x")

    runner.memo, runner.fakes.agent, runner.fakes.shell = memo, answer, answer
    assert (await runner.run(ask("agent"), Task(name="script", run="pwd"))).status == "completed"
    assert seen == [folder, folder]
