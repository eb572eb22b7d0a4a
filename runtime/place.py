"""Where a process meets Temporal: the configured server, one on localhost:7233, else the embedded one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from temporalio.client import Client
from temporalio.envconfig import ClientConnectConfig

from runtime.connection import configured, connect, local_server, to_embedded
from runtime.converter import data_converter, payload_dir
from runtime.embedded import Lease, begin


@dataclass(frozen=True)
class Place:
    """A connected client. `ui_url`: the Web UI, known only of the embedded server."""

    client: Client
    embedded: bool
    ui_url: str | None = None

    @property
    def address(self) -> str:
        """The server's host and port."""
        return self.client.service_client.config.target_host

    def run_url(self, run_id: str) -> str | None:
        """The run in the Web UI."""
        return f"{self.ui_url}/namespaces/{self.client.namespace}/workflows/{run_id}" if self.ui_url else None


class Way:
    """How to get to Temporal. It is known at once; an embedded server may still be starting."""

    def __init__(self, config: ClientConnectConfig | None, lease: Lease | None) -> None:
        self._config = config
        self._lease = lease

    @property
    def embedded(self) -> bool:
        """Whether it leads to the embedded server."""
        return self._lease is not None

    async def place(self) -> Place:
        """The place, once a server answers there. Raises ConnectionFailed, EmbeddedServerFailed."""
        converter = data_converter(payload_dir(embedded=self.embedded))
        if self._config:
            return Place(await connect(self._config, converter), embedded=False)
        assert self._lease
        server = await self._lease.ready()
        return Place(await connect(to_embedded(server), converter), embedded=True, ui_url=server.ui_url)


@asynccontextmanager
async def way() -> AsyncIterator[Way]:
    """The way to the server to use, which is kept for the length of the block. Raises ConnectionFailed."""
    if config := configured() or await local_server():
        yield Way(config, None)
        return
    lease = begin()
    try:
        yield Way(None, lease)
    finally:
        lease.release()


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """The server to use, kept for the length of the block. Raises ConnectionFailed, EmbeddedServerFailed."""
    async with way() as found:
        yield await found.place()
