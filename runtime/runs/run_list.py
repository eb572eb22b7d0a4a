"""The list of runs: found by the server where it can, by what comes back where it cannot."""

import heapq
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import PurePath

from temporalio.client import Client
from temporalio.service import RPCError, RPCStatusCode

from grammar.messages.names import NAME_ATTRIBUTE, STATUS_ATTRIBUTE, WORKFLOW
from grammar.messages.reports import RunLine
from runtime.runs import runs

# The server lists open runs first, then those that ended last: so many of them are looked at for the newest.
MOST = 1000
_OF_TEMPORAL = {"failed": "Failed", "cancelled": "Canceled", "terminated": "Terminated", "timed_out": "TimedOut"}
_ENDED = ("completed", "completed_with_failures")
_OPEN = ("running", "parked", "waiting_approval", "rate_limited", "paused")
STATUSES = (*_OPEN, *_ENDED, *_OF_TEMPORAL)


@dataclass(frozen=True)
class RunFilter:
    """Which runs to list; None: any. `status`: one of STATUSES. `name`: of the flow. `since`: when they started."""

    status: str | None = None
    name: str | None = None
    since: datetime | None = None
    limit: int = 20


async def listed(client: Client, wanted: RunFilter) -> list[RunLine]:
    """Return the newest runs that are wanted, the newest first."""
    try:
        lines = await _lines(client, _query(wanted, True))
    except RPCError as error:
        if error.status != RPCStatusCode.INVALID_ARGUMENT:
            raise
        # The namespace lacks the search attributes.
        lines = [line for line in await _lines(client, _query(wanted, False)) if _fits(line, wanted)]
    return heapq.nlargest(wanted.limit, lines, key=lambda line: line.started)


async def _lines(client: Client, query: str) -> list[RunLine]:
    return [await runs.line(run) async for run in client.list_workflows(query, limit=MOST)]


def _query(wanted: RunFilter, by_attributes: bool) -> str:
    """Return the query for the server; `by_attributes`: with our search attributes, too."""
    terms = [f'WorkflowType="{WORKFLOW}"']
    if wanted.since:
        terms.append(f'StartTime >= "{wanted.since.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"')
    if wanted.status:
        terms.append(f'ExecutionStatus="{_of_temporal(wanted.status)}"')
    if by_attributes and wanted.status in (*_OPEN, *_ENDED):
        terms.append(f'{STATUS_ATTRIBUTE}="{wanted.status}"')
    if by_attributes and wanted.name is not None:
        terms.append(f"{NAME_ATTRIBUTE}={_quoted(wanted.name)}")
    return " AND ".join(terms)


def _of_temporal(status: str) -> str:
    return _OF_TEMPORAL.get(status) or ("Completed" if status in _ENDED else "Running")


def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _fits(line: RunLine, wanted: RunFilter) -> bool:
    named = wanted.name in (None, PurePath(line.flow).stem)
    return named and (wanted.status not in (*_OPEN, *_ENDED) or line.standing.state == wanted.status)
