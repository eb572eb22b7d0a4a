"""Who answers for a run: what it was started with, and in what those who serve it differ."""

from pydantic import ValidationError
from temporalio.client import Client, WorkflowExecution

from grammar.messages.names import SETUP_MEMO
from grammar.model_access.process_setup import Difference, ProcessSetup, WorkerIdentity, differences
from runtime.runs import finding, pollers
from runtime.runs.execution_status import is_open


async def started_with(run: WorkflowExecution) -> ProcessSetup | None:
    """Return what the run's starter ran with; None for a run of another version, which does not record it so."""
    recorded = await run.memo_value(SETUP_MEMO, None)
    try:
        return ProcessSetup.model_validate(recorded) if recorded else None
    except ValidationError:
        return None


async def recorded(client: Client, run_id: str) -> ProcessSetup | None:
    """Return what the starter of the run of that id ran with; None where that is not recorded. Raises RPCError."""
    return await started_with(await client.get_workflow_handle(run_id).describe())


async def workers_of(client: Client, run_id: str) -> list[WorkerIdentity]:
    """Return who does the work of the run, as far as they tell who they are; of one that has ended, nobody does.

    Raises RPCError.
    """
    run = await client.get_workflow_handle(run_id).describe()
    return await pollers.workers(client, run.task_queue) if is_open(run.status) else []


async def differences_of(client: Client, run_id: str, serving: ProcessSetup) -> list[Difference]:
    """Return in what a process with this setup is not as who started the run; nothing where that is not recorded.

    Raises NotWaiting where there is no such run.
    """
    bundle = await finding.bundle_of(client, run_id)
    started = await recorded(client, run_id)
    return differences(bundle, started, serving) if started else []
