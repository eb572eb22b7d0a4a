"""Where a process meets Temporal: the configured server, one on localhost:7233, else the embedded one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING
from urllib.parse import quote

from temporalio.client import Client
from temporalio.envconfig import ClientConnectConfig

from grammar.errors import NoStorage
from runtime.connection import configured, connect, local_server, to_embedded
from runtime.local_server.embedded import Lease, begin
from runtime.state import state_dir
from runtime.storage import s3_url
from runtime.storage.converter import data_converter, shared_folder
from runtime.storage.document_files import FileDocuments
from runtime.storage.document_objects import DocumentObjects
from runtime.storage.s3_url import BucketUrl

if TYPE_CHECKING:  # loads what only those who configure S3 have installed
    from runtime.storage.s3 import Bucket


@dataclass(frozen=True)
class Backend:
    """A connected client. `ui_url`: the Web UI, known only of the embedded server.

    `folder` or `bucket`: where big values are kept; the bucket is open as long as the place is. `documents`: results
    that are too large for a history; they are kept there, too.
    """

    client: Client
    embedded: bool
    ui_url: str | None = None
    folder: Path | None = None
    bucket: Bucket | None = None
    documents: FileDocuments | DocumentObjects | None = None

    @property
    def address(self) -> str:
        """The server's host and port."""
        return self.client.service_client.config.target_host

    def run_url(self, run_id: str) -> str | None:
        """The run in the Web UI."""
        return self._page(f"workflows/{_quoted(run_id)}")

    def schedule_url(self, schedule_id: str) -> str | None:
        """The schedule in the Web UI."""
        return self._page(f"schedules/{_quoted(schedule_id)}")

    def _page(self, path: str) -> str | None:
        return f"{self.ui_url}/namespaces/{self.client.namespace}/{path}" if self.ui_url else None


def _quoted(name: str) -> str:
    """As a part of an address: ids may hold any sign."""
    return quote(name, safe="")


class PendingBackend:
    """How to get to Temporal. It is known at once; an embedded server may still be starting.

    `config`: of a server that somebody else runs; `lease`: of the embedded one. `kept`: what is kept for the
    length of the way.
    """

    def __init__(self, config: ClientConnectConfig | None, lease: Lease | None, kept: AsyncExitStack) -> None:
        self._config = config
        self._lease = lease
        self._kept = kept

    @property
    def embedded(self) -> bool:
        """Whether it leads to the embedded server."""
        return self._lease is not None

    async def place(self) -> Backend:
        """The place, once a server answers there. Raises ConnectionFailed, EmbeddedServerFailed, NoStorage."""
        if self._config:
            return await self._given(self._config)
        assert self._lease
        server = await self._lease.ready()
        folder = state_dir() / "payloads"
        client = await connect(to_embedded(server), data_converter(folder))
        return Backend(client, embedded=True, ui_url=server.ui_url, folder=folder, documents=_files(folder))

    async def _given(self, config: ClientConnectConfig) -> Backend:
        """A server that somebody else runs. Big values are kept where the environment says, if it does."""
        if url := s3_url.configured():
            cache = self._kept.enter_context(TemporaryDirectory(prefix="taskflow-"))
            bucket = await self._kept.enter_async_context(_opened(url))
            client = await connect(config, data_converter(bucket.payloads()))
            return Backend(client, embedded=False, bucket=bucket, documents=DocumentObjects(bucket, Path(cache)))
        folder = shared_folder()
        client = await connect(config, data_converter(folder))
        return Backend(client, embedded=False, folder=folder, documents=_files(folder) if folder else None)


@asynccontextmanager
async def find_backend() -> AsyncIterator[PendingBackend]:
    """The way to the server to use, which is kept for the length of the block. Raises ConnectionFailed."""
    async with AsyncExitStack() as stack:
        if config := configured() or await local_server():
            yield PendingBackend(config, None, stack)
            return
        lease = begin()
        stack.callback(lease.release)
        yield PendingBackend(None, lease, stack)


@asynccontextmanager
async def open_backend() -> AsyncIterator[Backend]:
    """The server to use, kept for the length of the block. Raises ConnectionFailed, EmbeddedServerFailed, NoStorage."""
    async with find_backend() as found:
        yield await found.place()


def _files(folder: Path) -> FileDocuments:
    return FileDocuments(folder / "documents")


def _opened(url: BucketUrl) -> AbstractAsyncContextManager[Bucket]:
    try:
        from runtime.storage.s3 import opened
    except ImportError as error:
        raise NoStorage(f"{s3_url.VARIABLE} needs more packages: pip install 'temporal-taskflow[s3]'") from error
    return opened(url)
