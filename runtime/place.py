"""Where a process meets Temporal: the configured server, one on localhost:7233, else the embedded one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from temporalio.client import Client

from grammar.errors import NoStorage
from runtime import bucket_url
from runtime.bucket_url import BucketUrl
from runtime.connection import configured, connect, local_server, to_embedded
from runtime.converter import data_converter, payload_dir
from runtime.embedded import begin

if TYPE_CHECKING:  # loads what only those who configure S3 have installed
    from runtime.bucket import Bucket


@dataclass(frozen=True)
class Place:
    """A connected client. `ui_url`: the Web UI, known only of the embedded server.

    `bucket`: where big values are kept, if that is S3; open as long as the place is.
    """

    client: Client
    embedded: bool
    ui_url: str | None = None
    bucket: Bucket | None = None

    @property
    def address(self) -> str:
        """The server's host and port."""
        return self.client.service_client.config.target_host

    def run_url(self, run_id: str) -> str | None:
        """The run in the Web UI."""
        return f"{self.ui_url}/namespaces/{self.client.namespace}/workflows/{run_id}" if self.ui_url else None


@asynccontextmanager
async def place() -> AsyncIterator[Place]:
    """The server to use, kept for the length of the block. Raises ConnectionFailed, EmbeddedServerFailed, NoStorage."""
    config = configured() or await local_server()
    if config:
        url, folder = bucket_url.configured(), payload_dir(embedded=False)
        async with AsyncExitStack() as stack:
            bucket = await stack.enter_async_context(_opened(url)) if url else None
            converter = data_converter(bucket.payloads() if bucket else folder)
            yield Place(await connect(config, converter), embedded=False, bucket=bucket)
        return
    lease = begin()
    try:
        server = await lease.ready()
        client = await connect(to_embedded(server), data_converter(payload_dir(embedded=True)))
        yield Place(client, embedded=True, ui_url=server.ui_url)
    finally:
        lease.release()


def _opened(url: BucketUrl) -> AbstractAsyncContextManager[Bucket]:
    try:
        from runtime.bucket import opened
    except ImportError as error:
        raise NoStorage(f"{bucket_url.VARIABLE} needs more packages: pip install 'temporal-taskflow[s3]'") from error
    return opened(url)
