"""Where a process meets Temporal: the configured server, one on localhost:7233, else the embedded one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from temporalio.client import Client

from runtime.connection import configured, connect, local_server, to_embedded
from runtime.converter import data_converter, payload_dir
from runtime.embedded import begin


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
        return self._page(f"workflows/{run_id}")

    def schedule_url(self, schedule_id: str) -> str | None:
        """The schedule in the Web UI."""
        return self._page(f"schedules/{schedule_id}")

    def _page(self, path: str) -> str | None:
        return f"{self.ui_url}/namespaces/{self.client.namespace}/{path}" if self.ui_url else None


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """The server to use, kept for the length of the block. Raises ConnectionFailed, EmbeddedServerFailed."""
    config = configured() or await local_server()
    if config:
        yield Place(await connect(config, data_converter(payload_dir(embedded=False))), embedded=False)
        return
    lease = begin()
    try:
        server = await lease.ready()
        client = await connect(to_embedded(server), data_converter(payload_dir(embedded=True)))
        yield Place(client, embedded=True, ui_url=server.ui_url)
    finally:
        lease.release()
