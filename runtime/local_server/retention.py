"""How long the embedded server keeps runs that have ended. Its own default is a day: too short for a report."""

import logging
import os
from datetime import timedelta

from google.protobuf.duration_pb2 import Duration
from temporalio.api.namespace.v1 import NamespaceConfig
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest, UpdateNamespaceRequest
from temporalio.client import Client
from temporalio.service import RPCError

from grammar.documents.durations import parse_duration
from grammar.errors import UserError

VARIABLE = "TASKFLOW_RETENTION"
DEFAULT = timedelta(days=90)
LEAST = timedelta(days=1)
# What a dev server gives a namespace that nobody has set anything for.
_UNSET = timedelta(days=1)

_log = logging.getLogger(__name__)


def configured() -> timedelta | None:
    """Return what TASKFLOW_RETENTION says; None where it is not set. Raises UserError."""
    text = os.environ.get(VARIABLE)
    if not text:
        return None
    try:
        retention = timedelta(seconds=parse_duration(text))
    except ValueError as error:
        raise UserError(f"{VARIABLE} is {text!r}: {error}") from None
    if retention < LEAST:
        raise UserError(f"{VARIABLE} is {text!r}: the server keeps runs that have ended for a day at least; write 1d")
    return retention


async def of(client: Client) -> timedelta:
    """Return how long the client's namespace keeps runs that have ended. Raises RPCError."""
    request = DescribeNamespaceRequest(namespace=client.namespace)
    described = await client.workflow_service.describe_namespace(request)
    return described.config.workflow_execution_retention_ttl.ToTimedelta()


async def told(client: Client) -> timedelta | None:
    """Return the same; None where the server does not tell: some keys may run workflows, but not describe."""
    try:
        return await of(client)
    except RPCError:
        return None


async def ensure(client: Client) -> None:
    """Have the namespace keep ended runs as long as TASKFLOW_RETENTION says, else for 90 days. Raises UserError.

    Without the variable, what a person has set otherwise is left as it is.
    """
    wanted = configured()
    try:
        present = await of(client)
        if present != (wanted or present) or (wanted is None and present == _UNSET):
            await _set(client, wanted or DEFAULT)
    except RPCError as error:  # no reason to start no run
        _log.warning("the retention of the embedded server could not be set: %s", error.message)


async def _set(client: Client, retention: timedelta) -> None:
    ttl = Duration()
    ttl.FromTimedelta(retention)
    config = NamespaceConfig(workflow_execution_retention_ttl=ttl)
    await client.workflow_service.update_namespace(UpdateNamespaceRequest(namespace=client.namespace, config=config))
