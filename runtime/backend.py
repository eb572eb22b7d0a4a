"""The Temporal server that a process uses: the configured one, one on localhost:7233, else the embedded one."""

from __future__ import annotations

import os
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
from runtime.local_server import retention
from runtime.local_server.embedded import Lease, answers_at, begin
from runtime.state import state_dir
from runtime.storage import s3_url
from runtime.storage.converter import data_converter, shared_folder
from runtime.storage.document_files import FileDocuments
from runtime.storage.document_objects import DocumentObjects
from runtime.storage.s3_url import BucketUrl

if TYPE_CHECKING:  # loads what only those who configure S3 have installed
    from runtime.storage.s3 import Bucket


# Where the embedded server was when `env` exported its address for `temporal`; it may have another one by now.
EMBEDDED_ADDRESS = "TASKFLOW_EMBEDDED_ADDRESS"


@dataclass(frozen=True)
class Backend:
    """A connected client. `ui_url`: the Web UI, known only of the embedded server.

    `folder` or `bucket`: where big values are kept; None: nowhere, they must fit into the history. The bucket is open
    as long as the backend is. `documents`: results that are too large for a history; they are kept there, too.
    """

    client: Client
    embedded: bool
    ui_url: str | None = None
    folder: Path | None = None
    bucket: Bucket | None = None
    documents: FileDocuments | DocumentObjects | None = None

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
        client = await connect(to_embedded(server), data_converter(folder))
        await retention.ensure(client)
        return Backend(client, embedded=True, ui_url=server.ui_url, folder=folder, documents=_files(folder))

    async def _connect_to(self, config: ClientConnectConfig) -> Backend:
        """Connect to a server that somebody else runs. Big values are kept where the environment says, if it does."""
        if url := s3_url.configured():
            cache = self._exit_stack.enter_context(TemporaryDirectory(prefix="taskflow-"))
            bucket = await self._exit_stack.enter_async_context(_opened(url))
            client = await connect(config, data_converter(bucket.payloads()))
            return Backend(client, embedded=False, bucket=bucket, documents=DocumentObjects(bucket, Path(cache)))
        folder = shared_folder()
        client = await connect(config, data_converter(folder))
        return Backend(client, embedded=False, folder=folder, documents=_files(folder) if folder else None)


@asynccontextmanager
async def find_backend() -> AsyncIterator[PendingBackend]:
    """Yield the backend to use, not yet connected; it lasts for the length of the block. Raises ConnectionFailed."""
    async with AsyncExitStack() as stack:
        config = configured()
        if not (config and _is_embedded(config)) and (config := config or await local_server()):
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


def _is_embedded(config: ClientConnectConfig) -> bool:
    """Return whether it is the embedded server that is configured, or was when `env` told its address."""
    address = config["target_host"]
    is_known = answers_at(address) or address == os.environ.get(EMBEDDED_ADDRESS)
    return is_known and config.get("namespace", "default") == "default"


def _files(folder: Path) -> FileDocuments:
    return FileDocuments(folder / "documents")


def _opened(url: BucketUrl) -> AbstractAsyncContextManager[Bucket]:
    try:
        from runtime.storage.s3 import opened
    except ImportError as error:
        raise NoStorage(f"{s3_url.VARIABLE} needs more packages: pip install 'temporal-taskflow[s3]'") from error
    return opened(url)
