"""Whether anybody does the work, and who: the workers that poll a task queue."""

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

from temporalio.api.enums.v1 import DescribeTaskQueueMode, TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from grammar.model_access.process_setup import WorkerIdentity
from runtime import this_process

POLLED_WITHIN = timedelta(seconds=90)
_ENHANCED = DescribeTaskQueueMode.DESCRIBE_TASK_QUEUE_MODE_ENHANCED


async def has_worker(client: Client, task_queue: str) -> bool:
    """Return whether any worker polls the task queue.

    True also where the server does not answer: it may be busy, or away for a moment.
    """
    try:
        return bool(await _pollers(client, task_queue, TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW))
    except RPCError:
        return True


async def not_polled_here(client: Client, task_queue: str) -> list[str]:
    """Return what no worker of this machine asks the server for: workflow tasks, activities.

    Raises RPCError where the server does not answer.
    """
    kinds = {
        "workflow tasks": TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
        "activities": TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY,
    }
    missing = []
    for name, kind in kinds.items():
        identities = [WorkerIdentity.parse(poller.identity) for poller in await _pollers(client, task_queue, kind)]
        if not any(worker and this_process.is_here(worker) for worker in identities):
            missing.append(name)
    return missing


async def workers(client: Client, task_queue: str) -> list[WorkerIdentity]:
    """Return the workers that do the work of the task queue, as far as they tell who they are; the newest poll first.

    None of them also where the server does not answer.
    """
    try:
        pollers = await _pollers(client, task_queue, TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY)
    except RPCError:
        return []
    pollers.sort(key=lambda poller: poller.last_access_time.ToDatetime(), reverse=True)
    identities = dict.fromkeys(poller.identity for poller in pollers)
    return [worker for identity in identities if (worker := WorkerIdentity.parse(identity))]


async def _pollers(client: Client, task_queue: str, kind: TaskQueueType.ValueType) -> list[PollerInfo]:
    """Return those that poll now. Raises RPCError."""
    return [poller for poller in await known(client, task_queue, kind) if _polls(poller, datetime.now(UTC))]


async def known(client: Client, task_queue: str, kind: TaskQueueType.ValueType) -> list[PollerInfo]:
    """Return those that have polled within some minutes, as the server remembers them. Raises RPCError.

    Each poll is at one of the task queue's partitions, by chance. The server tells of the first one as it is now, and
    of all of them as they were a few seconds ago: each is asked for.
    """
    which: dict[str, Any] = {"namespace": client.namespace, "task_queue": TaskQueue(name=task_queue)}
    first = DescribeTaskQueueRequest(**which, task_queue_type=kind)
    everywhere = DescribeTaskQueueRequest(**which, task_queue_types=[kind], api_mode=_ENHANCED, report_pollers=True)
    now = await client.workflow_service.describe_task_queue(first)
    before = await client.workflow_service.describe_task_queue(everywhere)
    by_version = [version.types_info[kind].pollers for version in before.versions_info.values()]
    return [*now.pollers, *itertools.chain(*by_version)]


def _polls(poller: PollerInfo, now: datetime) -> bool:
    """A worker that lives asks again within a minute; the server remembers for five of them one that has gone."""
    worker = WorkerIdentity.parse(poller.identity)
    is_gone = worker is not None and this_process.is_gone(worker)
    return not is_gone and now - poller.last_access_time.ToDatetime(tzinfo=UTC) < POLLED_WITHIN
