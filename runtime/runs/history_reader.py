"""What a run's histories hold of its branches: a run that grew long went through several."""

from collections.abc import Iterable
from datetime import UTC, datetime
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp
from pydantic import BaseModel, JsonValue
from temporalio.api.common.v1 import Payloads
from temporalio.api.enums.v1 import EventType, TimeoutType
from temporalio.api.failure.v1 import Failure
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.converter import DataConverter

from grammar.errors import BUG
from grammar.messages.activity_results import FailureDetails
from grammar.messages.events import PendingActivity
from grammar.messages.history import (
    Deployment,
    DeploymentHistory,
    DeploymentInput,
    DeploymentOutput,
    RunHistory,
    position_of,
)
from grammar.messages.names import PREPARE
from runtime.encryption import failure_text
from runtime.runs import finding, following, runs
from runtime.runs.executions import unless_forgotten
from runtime.runs.standing import IsServed

T = TypeVar("T")
_ENDS = {
    EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED: "activity_task_completed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED: "activity_task_failed_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_TIMED_OUT: "activity_task_timed_out_event_attributes",
    EventType.EVENT_TYPE_ACTIVITY_TASK_CANCELED: "activity_task_canceled_event_attributes",
}


async def read_history(client: Client, run_id: str, is_served: IsServed | None = None) -> RunHistory:
    """Return everything that a report shows of the run. Raises NotWaiting where there is none, or no worker answers."""
    handle = runs.handle(client, run_id)
    bundle = await finding.bundle_of(client, run_id)
    manifest = await runs.manifest(client, run_id, is_served)
    description = await handle.describe()
    history, first = await _histories(client, run_id, description.run_id)
    live = await following.live_of(client, description)
    now = datetime.now(UTC)
    return RunHistory(
        run_id=run_id,
        bundle=bundle,
        manifest=manifest,
        history=_with_live(history, live, description.close_time),
        started=first or description.start_time,
        ended=description.close_time,
        seen=now,
    )


async def read_deployments(client: Client, run_id: str) -> DeploymentHistory:
    """Return what the histories of a run that has ended say of its branches. It needs no worker."""
    description = await runs.handle(client, run_id).describe()
    history, _ = await _histories(client, run_id, description.run_id)
    return history


async def tracebacks(client: Client, run_id: str) -> list[str]:
    """Return the tracebacks of faults of ours that activities of the run's newest history failed with."""
    texts = []
    async for event in client.get_workflow_handle(run_id).fetch_history_events():
        if event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_FAILED:
            failure = event.activity_task_failed_event_attributes.failure.application_failure_info
            if failure.type == BUG:
                texts += await client.data_converter.decode(list(failure.details.payloads)[:1], [str])
    return texts


async def _histories(client: Client, run_id: str, newest: str) -> tuple[DeploymentHistory, datetime | None]:
    """Return all histories of the run that are still known, read from the newest one back; and when the first began."""
    read, history_id = list[_Reader](), newest
    while history_id:
        reader = _Reader(client.data_converter)
        with unless_forgotten():
            async for event in client.get_workflow_handle(run_id, run_id=history_id).fetch_history_events():
                await reader.take(event)
            read.append(reader)
        history_id = reader.before
    read.reverse()
    items: dict[int, dict[int, JsonValue]] = {}
    for reader in read:
        for task, items_of_task in reader.items.items():
            items.setdefault(task, {}).update(items_of_task)
    deployments = [deployment for reader in read for deployment in reader.deployments.values()]
    return DeploymentHistory(deployments=deployments, items=items, histories=len(read)), read[
        0
    ].started if read else None


def _with_live(
    history: DeploymentHistory, live: dict[str, PendingActivity], ended: datetime | None
) -> DeploymentHistory:
    """Add what runs now. What was still running when the run was ended has ended with it."""
    deployments = [
        _now(deployment, live.get(deployment.activity), ended) if deployment.ended is None else deployment
        for deployment in history.deployments
    ]
    return history.model_copy(update={"deployments": deployments})


def _now(deployment: Deployment, live: PendingActivity | None, ended: datetime | None) -> Deployment:
    changes: dict[str, object] = {"ended": ended}
    if live:
        changes |= {"attempts": live.attempt, "failure": live.last_failure}
    if live and live.progress:
        changes["output"] = DeploymentOutput(said=live.progress.said, first=live.progress.first)
    return deployment.model_copy(update=changes)


class _Item(BaseModel):
    """A branch of a prepared page."""

    index: int
    item: JsonValue = None


class _Items(BaseModel):
    """What a report needs of a Page."""

    total: int | None = None
    branches: list[_Item] = []


class _Reader:
    """Read one history, event by event. `before`: the history before it; empty where it is the first."""

    def __init__(self, converter: DataConverter) -> None:
        self._converter = converter
        self._prepares = set[int]()
        self._page = _Items()
        self.before = ""
        self.started: datetime | None = None
        self.deployments: dict[int, Deployment] = {}
        self.items: dict[int, dict[int, JsonValue]] = {}

    async def take(self, event: HistoryEvent) -> None:
        """Take in the next event."""
        if event.event_type == EventType.EVENT_TYPE_WORKFLOW_EXECUTION_STARTED:
            self.before = event.workflow_execution_started_event_attributes.continued_execution_run_id
            self.started = _time(event.event_time)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_SCHEDULED:
            await self._scheduled(event)
        elif event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_STARTED:
            self._started(event)
        elif event.event_type in _ENDS:
            await self._ended(event, _ENDS[event.event_type])

    async def _scheduled(self, event: HistoryEvent) -> None:
        scheduled = event.activity_task_scheduled_event_attributes
        if scheduled.activity_type.name == PREPARE:
            self._prepares.add(event.event_id)
        elif position := position_of(scheduled.activity_id):
            # Pages do not say which task they are of: the one whose branches follow.
            items = self.items.setdefault(position.task, {})
            items |= {branch.index: branch.item for branch in self._page.branches if self._page.total is not None}
            self._page = _Items()
            self.deployments[event.event_id] = Deployment(
                activity=scheduled.activity_id,
                scheduled=_time(event.event_time),
                input=await self._decoded(scheduled.input, DeploymentInput) or DeploymentInput(),
            )

    def _started(self, event: HistoryEvent) -> None:
        started = event.activity_task_started_event_attributes
        if deployment := self.deployments.get(started.scheduled_event_id):
            deployment.started, deployment.attempts = _time(event.event_time), started.attempt

    async def _ended(self, event: HistoryEvent, name: str) -> None:
        ended = getattr(event, name)
        number: int = ended.scheduled_event_id
        completed = event.event_type == EventType.EVENT_TYPE_ACTIVITY_TASK_COMPLETED
        if completed and number in self._prepares:
            self._page = await self._decoded(ended.result, _Items) or _Items()
        elif deployment := self.deployments.get(number):
            deployment.ended = _time(event.event_time)
            if completed:
                deployment.output = await self._decoded(ended.result, DeploymentOutput)
            else:
                await self._failed(deployment, ended.failure if hasattr(ended, "failure") else None)

    async def _failed(self, deployment: Deployment, failure: Failure | None) -> None:
        if failure is None:
            deployment.failure = "cancelled"
            return
        deployment.failure = _failure_text(await failure_text.opened(self._converter, failure))
        deployment.output = await self._lost(failure)

    async def _lost(self, failure: Failure) -> DeploymentOutput | None:
        """Return what was said before the last attempt failed. What it cost, the manifest knows."""
        info = failure.application_failure_info
        if not info.details.payloads or info.type == BUG:
            return None
        lost = await self._decoded(info.details, FailureDetails)
        return DeploymentOutput(said=lost.said, first=lost.first) if lost else None

    async def _decoded(self, payloads: Payloads, kind: type[T]) -> T | None:
        values: Iterable[T] = await self._converter.decode(list(payloads.payloads)[:1], [kind])
        return next(iter(values), None)


def _failure_text(failure: Failure) -> str:
    """`BadRequest: 400 no such thing`; for a timeout, which one it was."""
    kind = failure.application_failure_info.type
    if failure.HasField("timeout_failure_info"):
        limit = TimeoutType.Name(failure.timeout_failure_info.timeout_type).removeprefix("TIMEOUT_TYPE_").lower()
        return f"Timeout: not within its {limit} time"
    return f"{kind}: {failure.message}" if kind else failure.message


def _time(stamp: Timestamp) -> datetime:
    return stamp.ToDatetime(tzinfo=UTC)
