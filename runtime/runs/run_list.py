"""The list of runs: found by the server where it can, by what comes back where it cannot."""

import heapq
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from grammar.messages.names import NAME_ATTRIBUTE, STATUS_ATTRIBUTE, WORKFLOW
from grammar.messages.reports import RunLine
from grammar.messages.run_status import ENDED, OPEN
from runtime import flow_names
from runtime.runs import standing
from runtime.runs.standing import IsServed, remembered

# The server lists open runs first, then those that ended last: so many of them are looked at for the newest.
MOST = 1000
_OF_TEMPORAL = {"failed": "Failed", "cancelled": "Canceled", "terminated": "Terminated", "timed_out": "TimedOut"}
# Whose search attribute says all: one that says `running` may be of a run that is interrupted, or paused by Temporal.
_TOLD = ("running", "parked", "waiting_approval", "rate_limited", "completed", "completed_with_failures")
STATUSES = (*OPEN, *ENDED)


@dataclass(frozen=True)
class RunFilter:
    """Which runs to list; None: any. `status`: one of STATUSES. `name`: of the flow. `since`: when they started."""

    status: str | None = None
    name: str | None = None
    since: datetime | None = None
    limit: int = 20


async def listed(client: Client, wanted: RunFilter, is_served: IsServed | None = None) -> list[RunLine]:
    """Return the newest runs that are wanted, the newest first. `is_served` None: that is not known, and not asked."""
    is_served = remembered(is_served) if is_served else None
    try:
        lines = await _lines(client, _query(wanted, True), is_served)
    except RPCError as error:
        if error.status != RPCStatusCode.INVALID_ARGUMENT:
            raise
        # The namespace lacks the search attributes.
        lines = await _lines(client, _query(wanted, False), is_served)
    return heapq.nlargest(wanted.limit, [line for line in lines if _fits(line, wanted)], key=lambda line: line.started)


async def _lines(client: Client, query: str, is_served: IsServed | None) -> list[RunLine]:
    return [await standing.line(client, run, is_served) async for run in client.list_workflows(query, limit=MOST)]


def _query(wanted: RunFilter, by_attributes: bool) -> str:
    """Return the query for the server; `by_attributes`: with our search attributes, too."""
    # Of a run that went through several histories, the newest is the run.
    terms = [f'WorkflowType="{WORKFLOW}"', 'ExecutionStatus != "ContinuedAsNew"']
    if wanted.since:
        terms.append(f'StartTime >= "{wanted.since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"')
    if wanted.status in OPEN:
        terms.append("CloseTime IS NULL")
    elif wanted.status:
        terms.append(f'ExecutionStatus="{_OF_TEMPORAL.get(wanted.status, "Completed")}"')
    if by_attributes and wanted.status in _TOLD:
        terms.append(f'{STATUS_ATTRIBUTE}="{wanted.status}"')
    if by_attributes and wanted.name is not None and not flow_names.are_hidden():
        terms.append(f"{NAME_ATTRIBUTE}={_quoted(wanted.name)}")
    return " AND ".join(terms)


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _fits(line: RunLine, wanted: RunFilter) -> bool:
    return wanted.name in (None, PurePath(line.flow).stem) and wanted.status in (None, line.status)
