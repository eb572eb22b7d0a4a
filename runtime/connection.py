"""Which Temporal server this process talks to, and a client for it.

What Temporal's own client configuration says (environment, profile, config file) comes first, and then the embedded one
(embedded.py). Whatever else answers on the usual port is not used: any user of the machine may have put it there.
"""

import asyncio
import logging
import re

from temporalio.api.operatorservice.v1 import ListSearchAttributesRequest
from temporalio.api.workflowservice.v1 import DescribeNamespaceRequest
from temporalio.client import Client
from temporalio.converter import DataConverter
from temporalio.envconfig import ClientConfigProfile, ClientConnectConfig
from temporalio.service import RPCError, RPCStatusCode

from grammar.errors import ConnectionFailed
from runtime.local_server.embedded import EmbeddedServer
from runtime.local_server.supervisor import MARK, PORT, START_SECONDS
from runtime.sdk_log import sdk_runtime

CONNECT_SECONDS = 5.0
LOCAL_SECONDS = 2.0
RETRY_SECONDS = 0.5
LOCAL = f"localhost:{PORT}"
_LOST = (RPCStatusCode.UNAVAILABLE, RPCStatusCode.DEADLINE_EXCEEDED, RPCStatusCode.CANCELLED)

_log = logging.getLogger(__name__)


def configured() -> ClientConnectConfig | None:
    """Return what TEMPORAL_ADDRESS, TEMPORAL_PROFILE or the config file says; None where that is no address.

    Raises ConnectionFailed where the file or the profile is wrong.
    """
    try:
        config = ClientConfigProfile.load().to_client_connect_config()
    except (RuntimeError, ValueError, OSError) as error:
        raise ConnectionFailed(f"Temporal's client configuration is wrong: {error}") from error
    return config if "target_host" in config else None


def to_embedded(server: EmbeddedServer) -> ClientConnectConfig:
    """Return how to connect to the embedded server."""
    return ClientConnectConfig(target_host=server.address)


async def connect_to_embedded(server: EmbeddedServer, converter: DataConverter) -> Client:
    """Return a client for the embedded server. Raises ConnectionFailed after START_SECONDS.

    It is ours, and runs: on a machine that has much else to do, it is waited for as long as it may take to start.
    """
    deadline = asyncio.get_running_loop().time() + START_SECONDS
    while True:
        try:
            return await connect(to_embedded(server), converter)
        except ConnectionFailed:
            if asyncio.get_running_loop().time() > deadline:
                raise
            await asyncio.sleep(RETRY_SECONDS)


async def tell_of_unnamed_server(server: EmbeddedServer) -> None:
    """Warn of a Temporal server on the usual port that is not used, since nobody has named it: it may be anybody's.

    `server`: the embedded one, which is used. Those of other people's, or of other state directories, are no news.
    """
    if server.address.endswith(f":{PORT}") or not await _is_unnamed_server():
        return
    _log.warning(
        "The Temporal server at %s is not used, since nobody has named it. To use it: export TEMPORAL_ADDRESS=%s",
        LOCAL,
        LOCAL,
    )


async def _is_unnamed_server() -> bool:
    if not await _listens(PORT):
        return False
    try:
        async with asyncio.timeout(LOCAL_SECONDS):
            client = await Client.connect(LOCAL, runtime=sdk_runtime())
            request = ListSearchAttributesRequest(namespace="default")
            attributes = await client.operator_service.list_search_attributes(request)
    except (RuntimeError, RPCError, TimeoutError):
        return False  # whatever listens there is not a Temporal server with a default namespace
    return MARK not in attributes.custom_attributes


async def connect(config: ClientConnectConfig, converter: DataConverter) -> Client:
    """Return a client that has reached its server and namespace. Raises ConnectionFailed after CONNECT_SECONDS."""
    address, namespace = config["target_host"], config.get("namespace", "default")
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            client = await Client.connect(**config, data_converter=converter, runtime=sdk_runtime())
            await client.workflow_service.describe_namespace(DescribeNamespaceRequest(namespace=namespace))
    except TimeoutError as error:
        raise ConnectionFailed(f"no Temporal server answers at {address} within {CONNECT_SECONDS:.0f} s") from error
    except RPCError as error:
        if error.status == RPCStatusCode.PERMISSION_DENIED:  # some keys may run workflows, but not describe
            return client
        raise refused(address, error, namespace) from error
    except (RuntimeError, ValueError) as error:
        raise ConnectionFailed(f"no Temporal server answers at {address}: {_reason(str(error))}") from error
    return client


def refused(address: str, error: RPCError, namespace: str | None = None) -> ConnectionFailed:
    """Return the error for what the server refuses, or does not answer to. `namespace`: it is what was asked about."""
    if error.status == RPCStatusCode.NOT_FOUND and namespace:
        return ConnectionFailed(f"the Temporal server at {address} has no namespace `{namespace}`")
    if error.status in _LOST:
        return ConnectionFailed(f"the Temporal server at {address} does not answer any more: {error.message}")
    return ConnectionFailed(f"the Temporal server at {address} refuses: {error.message}")


def _reason(text: str) -> str:
    """Return the sentence inside the SDK's nested text: `... Os { code: 111, message: "Connection refused" }`."""
    sentences = re.findall(r'(?:message|error): "([^"]+)"', text)
    return sentences[0] if sentences else text.removeprefix("Failed client connect: ")


async def _listens(port: int) -> bool:
    try:
        async with asyncio.timeout(1):
            _, writer = await asyncio.open_connection("localhost", port)
    except (OSError, TimeoutError):
        return False
    writer.close()
    return True
