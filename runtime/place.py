"""Where a process meets Temporal: the configured server, one on localhost:7233, else the embedded one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from temporalio.client import Client
from temporalio.envconfig import ClientConnectConfig

from grammar.errors import NoStorage
from runtime import bucket_url
from runtime.bucket_url import BucketUrl
from runtime.connection import configured, connect, local_server, to_embedded
from runtime.converter import data_converter, shared_folder
from runtime.document_objects import DocumentObjects
from runtime.documents import FileDocuments
from runtime.embedded import begin
from runtime.state import state_dir

if TYPE_CHECKING:  # loads what only those who configure S3 have installed
    from runtime.bucket import Bucket


@dataclass(frozen=True)
class Place:
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
        return self._page(f"workflows/{run_id}")

    def schedule_url(self, schedule_id: str) -> str | None:
        """The schedule in the Web UI."""
        return self._page(f"schedules/{schedule_id}")

    def _page(self, path: str) -> str | None:
        return f"{self.ui_url}/namespaces/{self.client.namespace}/{path}" if self.ui_url else None


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """The server to use, kept for the length of the block. Raises ConnectionFailed, EmbeddedServerFailed, NoStorage."""
    config = configured() or await local_server()
    if config:
        async with _given(config) as here:
            yield here
        return
    lease = begin()
    try:
        server = await lease.ready()
        folder = state_dir() / "payloads"
        client = await connect(to_embedded(server), data_converter(folder))
        yield Place(client, embedded=True, ui_url=server.ui_url, folder=folder, documents=_files(folder))
    finally:
        lease.release()


@asynccontextmanager
async def _given(config: ClientConnectConfig) -> AsyncIterator[Place]:
    """A server that somebody else runs. Big values are kept where the environment says, if it does."""
    if url := bucket_url.configured():
        with TemporaryDirectory(prefix="taskflow-") as cache:
            async with _opened(url) as bucket:
                client = await connect(config, data_converter(bucket.payloads()))
                documents = DocumentObjects(bucket, Path(cache))
                yield Place(client, embedded=False, bucket=bucket, documents=documents)
        return
    folder = shared_folder()
    client = await connect(config, data_converter(folder))
    yield Place(client, embedded=False, folder=folder, documents=_files(folder) if folder else None)


def _files(folder: Path) -> FileDocuments:
    return FileDocuments(folder / "documents")


def _opened(url: BucketUrl) -> AbstractAsyncContextManager[Bucket]:
    try:
        from runtime.bucket import opened
    except ImportError as error:
        raise NoStorage(f"{bucket_url.VARIABLE} needs more packages: pip install 'temporal-taskflow[s3]'") from error
    return opened(url)
