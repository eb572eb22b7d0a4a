"""The Temporal server that a process uses: the configured one, one on localhost:7233, else the embedded one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from temporalio.client import Client
from temporalio.envconfig import ClientConnectConfig

from runtime.connection import configured, connect, local_server, to_embedded
from runtime.encryption.configured import Encryption
from runtime.encryption.configured import configured as configured_encryption
from runtime.local_server import retention
from runtime.local_server.embedded import Lease, begin
from runtime.state import state_dir
from runtime.storage import place as payload_place
from runtime.storage.stored_documents import StoredDocuments

if TYPE_CHECKING:  # loads what only those who configure S3 have installed
    from runtime.storage.s3 import Bucket


@dataclass(frozen=True)
class Backend:
    """A connected client. `ui_url`: the Web UI, known only of the embedded server; `codec_url`: its codec server.

    `folder` or `bucket`: where big values are kept; None: nowhere, they must fit into the history. The bucket is open
    as long as the backend is. `documents`: results that are too large for a history; they are kept there, too.
    `encryption`: how all of it is encoded.
    """

    client: Client
    embedded: bool
    ui_url: str | None = None
    folder: Path | None = None
    bucket: Bucket | None = None
    documents: StoredDocuments | None = None
    encryption: Encryption = field(default_factory=Encryption)
    codec_url: str | None = None

    @property
    def address(self) -> str:
        """Return the server's `host:port`."""
        return self.client.service_client.config.target_host

    def run_url(self, run_id: str) -> str | None:
        """Return the URL of the run in the Web UI; None where that is not known."""
        return self._page(f"workflows/{_quoted(run_id)}")

    def schedule_url(self, schedule_id: str) -> str | None:
        """Return the URL of the schedule in the Web UI; None where that is not known."""
        return self._page(f"schedules/{_quoted(schedule_id)}")

    def _page(self, path: str) -> str | None:
        return f"{self.ui_url}/namespaces/{self.client.namespace}/{path}" if self.ui_url else None


def _quoted(name: str) -> str:
    """Return the name as a part of a URL: ids may hold any sign."""
    return quote(name, safe="")


class PendingBackend:
    """A backend to connect to. Which one is known at once; an embedded server may still be starting.

    `config`: of a server that somebody else runs; `lease`: of the embedded one. `exit_stack`: what the connected
    backend needs is closed with it.
    """

    def __init__(self, config: ClientConnectConfig | None, lease: Lease | None, exit_stack: AsyncExitStack) -> None:
        self._config = config
        self._lease = lease
        self._exit_stack = exit_stack

    @property
    def embedded(self) -> bool:
        """Return whether it is the embedded server."""
        return self._lease is not None

    async def connect(self) -> Backend:
        """Return the backend, once its server answers.

        Raises ConnectionFailed, EmbeddedServerFailed, NoStorage, and UserError for a wrong TASKFLOW_RETENTION.
        """
        encryption = configured_encryption()
        if self._config:
            place = await self._exit_stack.enter_async_context(payload_place.opened(None, encryption))
            return Backend(await connect(self._config, place.converter()), embedded=False, **vars(place))
        assert self._lease
        server = await self._lease.ready()
        place = await self._exit_stack.enter_async_context(payload_place.opened(state_dir() / "payloads", encryption))
        client = await connect(to_embedded(server), place.converter())
        await retention.ensure(client)
        return Backend(client, embedded=True, ui_url=server.ui_url, codec_url=server.codec_url, **vars(place))


@asynccontextmanager
async def find_backend() -> AsyncIterator[PendingBackend]:
    """Yield the backend to use, not yet connected; it lasts for the length of the block. Raises ConnectionFailed."""
    async with AsyncExitStack() as stack:
        if config := configured() or await local_server():
            yield PendingBackend(config, None, stack)
            return
        lease = begin()
        stack.callback(lease.release)
        yield PendingBackend(None, lease, stack)


@asynccontextmanager
async def open_backend() -> AsyncIterator[Backend]:
    """Yield the backend to use, connected for the length of the block.

    Raises ConnectionFailed, EmbeddedServerFailed, NoStorage.
    """
    async with find_backend() as pending:
        yield await pending.connect()
