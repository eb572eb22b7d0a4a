"""What people can tell a run, as the Web UI and `temporal` know it."""

import pytest
from temporalio.api.sdk.v1 import WorkflowMetadata

from tests.workflows.conftest import FlowRunner, ask

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_each_signal_is_an_update_too_and_both_are_described(runner: FlowRunner) -> None:
    handle = await runner.start(ask("t"))
    await handle.result()
    metadata: WorkflowMetadata = await handle.query("__temporal_workflow_metadata", result_type=WorkflowMetadata)
    signals = {signal.name: signal.description for signal in metadata.definition.signal_definitions}
    updates = {update.name: update.description for update in metadata.definition.update_definitions}
    assert signals == updates
    assert {"pause", "unpause", "approve", "reject", "retry", "skip", "set_output", "abort"} < signals.keys()
    assert all(updates.values())
    ours = [query for query in metadata.definition.query_definitions if not query.name.startswith("__")]
    assert len(ours) == 4
    assert all(query.description for query in ours)
