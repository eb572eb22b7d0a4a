"""Whether anybody does the work: the workers that poll a task queue."""

from datetime import UTC, datetime, timedelta

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

POLLED_WITHIN = timedelta(seconds=90)


async def has_worker(client: Client, task_queue: str) -> bool:
    """Return whether any worker polls the task queue.

    True also where the server does not answer: it may be busy, or away for a moment.
    """
    request = DescribeTaskQueueRequest(
        namespace=client.namespace,
        task_queue=TaskQueue(name=task_queue),
        task_queue_type=TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW,
    )
    try:
        description = await client.workflow_service.describe_task_queue(request)
        return any(_polls(poller, datetime.now(UTC)) for poller in description.pollers)
    except RPCError:
        return True


def _polls(poller: PollerInfo, now: datetime) -> bool:
    """A worker that lives asks again within a minute; the server remembers for five of them one that has gone."""
    return now - poller.last_access_time.ToDatetime(tzinfo=UTC) < POLLED_WITHIN
