"""Histories of earlier runs replay on the code as it is now."""

from pathlib import Path

import pytest
from temporalio import workflow
from temporalio.client import WorkflowHistory
from temporalio.worker import Replayer

from grammar.messages.continue_as_new import RunInput
from grammar.messages.names import WORKFLOW
from grammar.messages.reports import RunReport
from runtime.sandbox import workflow_runner
from runtime.storage.converter import data_converter
from tests.replay import places
from workflows.limiter import EndpointLimiter
from workflows.taskflow import TaskflowWorkflow

HISTORIES = sorted((Path(__file__).parent / "histories").glob("*.json"))
FOLDER = Path(__file__).parents[2] / "taskflows/examples"
EXAMPLES = sorted(path for path in FOLDER.glob("*.yaml") if not path.name.endswith(".dry.yaml"))


def replayer(kind: type) -> Replayer:
    return Replayer(workflows=[kind], workflow_runner=workflow_runner(), data_converter=data_converter(None))


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
def test_a_history_names_no_folder_of_a_machine(path: Path) -> None:
    assert places.found(path.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("path", HISTORIES, ids=lambda path: path.stem)
async def test_replays(path: Path) -> None:
    history = WorkflowHistory.from_json(path.stem, path.read_text())
    await replayer(EndpointLimiter if path.stem == "limiter" else TaskflowWorkflow).replay_workflow(history)


def test_every_example_has_a_history() -> None:
    assert {path.stem for path in EXAMPLES} <= {path.stem for path in HISTORIES}


@workflow.defn(name=WORKFLOW)
class Changed(TaskflowWorkflow):
    """What a careless change would be: the tasks run in another order."""

    @workflow.init
    def __init__(self, bundle: RunInput) -> None:
        super().__init__(bundle)

    @workflow.run
    async def run(self, bundle: RunInput) -> RunReport:
        return await super().run(bundle.model_copy(update={"tasks": bundle.tasks[::-1]}))


async def test_a_careless_change_is_caught() -> None:
    (path,) = [path for path in HISTORIES if path.stem == "hello"]
    history = WorkflowHistory.from_json("hello", path.read_text())
    with pytest.raises(workflow.NondeterminismError):
        await replayer(Changed).replay_workflow(history)
