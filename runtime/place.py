"""Where a process meets Temporal: the configured server, one on localhost:7233, else the embedded one."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from temporalio.client import Client

from runtime.connection import configured, connect, local_server, to_embedded
from runtime.converter import data_converter, payload_dir
from runtime.documents import FileDocuments
from runtime.embedded import begin


@dataclass(frozen=True)
class Place:
    """A connected client. `ui_url`: the Web UI, known only of the embedded server. `payloads`: where big ones are."""

    client: Client
    embedded: bool
    payloads: Path | None = None
    ui_url: str | None = None

    @property
    def documents(self) -> FileDocuments | None:
        """Results that are too large for a history."""
        return FileDocuments(self.payloads / "documents") if self.payloads else None

    @property
    def address(self) -> str:
        """The server's host and port."""
        return self.client.service_client.config.target_host

    def run_url(self, run_id: str) -> str | None:
        """The run in the Web UI."""
        return f"{self.ui_url}/namespaces/{self.client.namespace}/workflows/{run_id}" if self.ui_url else None


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """The server to use, kept for the length of the block. Raises ConnectionFailed, EmbeddedServerFailed."""
    config = configured() or await local_server()
    payloads = payload_dir(embedded=config is None)
    if config:
        yield Place(await connect(config, data_converter(payloads)), embedded=False, payloads=payloads)
        return
    lease = begin()
    try:
        server = await lease.ready()
        client = await connect(to_embedded(server), data_converter(payloads))
        yield Place(client, embedded=True, payloads=payloads, ui_url=server.ui_url)
    finally:
        lease.release()
