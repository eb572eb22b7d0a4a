"""The Temporal server that a process uses: the configured one, one on localhost:7233, else the embedded one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from temporalio.client import Client
from temporalio.envconfig import ClientConnectConfig

from grammar.errors import NoStorage
from runtime.connection import configured, connect, local_server, to_embedded
from runtime.encryption.configured import Encryption
from runtime.encryption.configured import configured as configured_encryption
from runtime.local_server import retention
from runtime.local_server.embedded import Lease, begin
from runtime.state import state_dir
from runtime.storage import s3_url
from runtime.storage.converter import data_converter, shared_folder
from runtime.storage.document_files import FileDocuments
from runtime.storage.document_objects import DocumentObjects
from runtime.storage.s3_url import BucketUrl
from runtime.storage.scratch import scratch_folder
from runtime.storage.stored_documents import StoredDocuments

if TYPE_CHECKING:  # loads what only those who configure S3 have installed
    from runtime.storage.s3 import Bucket


@dataclass(frozen=True)
class Backend:
    """A connected client. `ui_url`: the Web UI, known only of the embedded server.

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
        if self._config:
            return await self._connect_to(self._config)
        assert self._lease
        server = await self._lease.ready()
        folder = state_dir() / "payloads"
        encryption = configured_encryption()
        client = await connect(to_embedded(server), data_converter(folder, encryption))
        await retention.ensure(client)
        documents = self._documents(FileDocuments(folder / "documents"), encryption)
        return Backend(client, True, server.ui_url, folder, documents=documents, encryption=encryption)

    async def _connect_to(self, config: ClientConnectConfig) -> Backend:
        """Connect to a server that somebody else runs. Big values are kept where the environment says, if it does."""
        encryption = configured_encryption()
        if url := s3_url.configured():
            cache = self._exit_stack.enter_context(scratch_folder())
            bucket = await self._exit_stack.enter_async_context(_opened(url))
            client = await connect(config, data_converter(bucket.payloads(), encryption))
            documents = self._documents(DocumentObjects(bucket, cache), encryption)
            return Backend(client, False, bucket=bucket, documents=documents, encryption=encryption)
        folder = shared_folder()
        client = await connect(config, data_converter(folder, encryption))
        kept = self._documents(FileDocuments(folder / "documents"), encryption) if folder else None
        return Backend(client, False, folder=folder, documents=kept, encryption=encryption)

    def _documents(self, kept: FileDocuments | DocumentObjects, encryption: Encryption) -> StoredDocuments:
        """Return the documents; where they are encrypted, with a folder besides in which they are in plain."""
        scratch = self._exit_stack.enter_context(scratch_folder()) if encryption.is_on else None
        return StoredDocuments(kept, encryption, scratch)


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


def _opened(url: BucketUrl) -> AbstractAsyncContextManager[Bucket]:
    try:
        from runtime.storage.s3 import opened
    except ImportError as error:
        raise NoStorage(f"{s3_url.VARIABLE} needs more packages: pip install 'temporal-taskflow[s3]'") from error
    return opened(url)
