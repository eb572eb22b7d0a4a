"""Runs as the server stores them: each with all of its histories, and what they take up."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import NamedTuple

from temporalio.api.common.v1 import WorkflowExecution
from temporalio.api.enums.v1 import WorkflowExecutionStatus
from temporalio.api.workflow.v1 import WorkflowExecutionInfo
from temporalio.api.workflowservice.v1 import DeleteWorkflowExecutionRequest, ListWorkflowExecutionsRequest
from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from grammar.messages.names import WORKFLOW

_PAGE = 1000
_CONTINUED = WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CONTINUED_AS_NEW
_ENDED = {
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_COMPLETED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_FAILED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_CANCELED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TERMINATED,
    WorkflowExecutionStatus.WORKFLOW_EXECUTION_STATUS_TIMED_OUT,
}


class Execution(NamedTuple):
    """One history of a run."""

    run_id: str
    """Temporal's id of it."""
    status: int
    """Temporal's status; it may be one that this version does not know."""
    closed: datetime | None
    """When it was closed; None: it is open."""
    size: int
    """What it takes up in the server's database, in bytes; 0 where the server does not tell."""


class RunExecutions(NamedTuple):
    """A run with all of its histories."""

    id: str
    """The run's id."""
    executions: list[Execution]
    """Its histories, as many as the server still has; at least one."""

    @property
    def ended(self) -> datetime | None:
        """Return when the run ended; None where it is open, or may be: any status that is no end counts as open."""
        statuses = {execution.status for execution in self.executions}
        closed = [execution.closed for execution in self.executions if execution.closed]
        if not statuses <= {*_ENDED, _CONTINUED} or statuses == {_CONTINUED} or not closed:
            return None
        return max(closed)

    @property
    def size(self) -> int:
        """Return what its histories take up in the server's database, in bytes."""
        return sum(execution.size for execution in self.executions)


@contextmanager
def unless_forgotten() -> Iterator[None]:
    """Leave the block where the server does not know the history any more: of a long run, the first ones go early."""
    try:
        yield
    except RPCError as error:
        if error.status != RPCStatusCode.NOT_FOUND:
            raise


async def list_all(client: Client, run_id: str | None = None) -> list[RunExecutions]:
    """Return all runs that the server has, or the one of that id, in no order. Raises RPCError."""
    query = f'WorkflowType = "{WORKFLOW}"'
    if run_id is not None:
        query += f' AND WorkflowId = "{_quoted(run_id)}"'
    found = defaultdict[str, list[Execution]](list)
    async for info in _infos(client, query):
        found[info.execution.workflow_id].append(_execution(info))
    return [RunExecutions(name, executions) for name, executions in found.items()]


async def delete(client: Client, run: RunExecutions) -> None:
    """Have the server forget the run. Raises RPCError, but not where it has done so already."""
    for execution in run.executions:
        request = DeleteWorkflowExecutionRequest(
            namespace=client.namespace,
            workflow_execution=WorkflowExecution(workflow_id=run.id, run_id=execution.run_id),
        )
        with unless_forgotten():
            await client.workflow_service.delete_workflow_execution(request)


async def _infos(client: Client, query: str) -> AsyncIterator[WorkflowExecutionInfo]:
    token = b""
    while True:
        request = ListWorkflowExecutionsRequest(
            namespace=client.namespace, page_size=_PAGE, query=query, next_page_token=token
        )
        page = await client.workflow_service.list_workflow_executions(request)
        for info in page.executions:
            yield info
        if not (token := page.next_page_token):
            return


def _execution(info: WorkflowExecutionInfo) -> Execution:
    closed = info.close_time.ToDatetime(tzinfo=UTC) if info.HasField("close_time") else None
    return Execution(info.execution.run_id, info.status, closed, info.history_size_bytes)


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')
