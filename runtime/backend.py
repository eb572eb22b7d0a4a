"""The Temporal server that a process uses: the configured one, else the embedded one."""

from __future__ import annotations

import hashlib
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import quote

from temporalio.client import Client
from temporalio.envconfig import ClientConnectConfig
from temporalio.service import RPCError

from runtime import before_signing
from runtime.connection import configured, connect, connect_to_embedded, refused, tell_of_unnamed_server
from runtime.encryption.configured import Encryption
from runtime.encryption.configured import configured as configured_encryption
from runtime.local_server import retention
from runtime.local_server.embedded import Lease, answers_at, begin
from runtime.signing import keys
from runtime.signing.signature import Signer
from runtime.signing.signed_client import signed
from runtime.state import state_dir, state_path
from runtime.storage import place as payload_place
from runtime.storage.stored_documents import StoredDocuments

if TYPE_CHECKING:  # loads what only those who configure S3 have installed
    from runtime.storage.s3 import Bucket


# Where the embedded server was when `env` exported its address for `temporal`; it may have another one by now.
EMBEDDED_ADDRESS = "TASKFLOW_EMBEDDED_ADDRESS"


@dataclass(frozen=True)
class Backend:
    """A connected client. `ui_url`: the Web UI, where there is one that is known: the embedded server's, with a token.

    `codec_url`: the embedded server's codec server. `folder` or `bucket`: where big values are kept; None: nowhere,
    they must fit into the history. The bucket is open as long as the backend is. `documents`: results that are too
    large for a history; they are kept there, too. `encryption`: how all of it is encoded. `signer`: what client and
    workers sign with; None: on a server of one's own without a key, nothing is signed.
    """

    client: Client
    embedded: bool
    ui_url: str | None = None
    folder: Path | None = None
    bucket: Bucket | None = None
    documents: StoredDocuments | None = None
    encryption: Encryption = field(default_factory=Encryption)
    codec_url: str | None = None
    signer: Signer | None = None
    ui_token: str = ""

    @property
    def address(self) -> str:
        """Return the server's `host:port`."""
        return self.client.service_client.config.target_host

    @property
    def private_folders(self) -> list[Path]:
        """Return what is of all runs on this machine, and no script's affair: the state folder, and payload storage."""
        folders = [self.folder] if self.folder else []
        with suppress(OSError, RuntimeError):  # there is no home folder to keep state in
            folders.append(state_path())
        return folders

    @property
    def scope(self) -> str:
        """Return what tells its workers from those that could not read what they write, or would not believe it.

        Workers of one scope share the limiters of model endpoints. Empty: nothing is signed or encrypted.
        """
        told = [self.signer.keys[0] if self.signer else b"", self.encryption.name.encode()]
        return hashlib.sha256(b"\n".join(told)).hexdigest()[:12] if any(told) else ""

    def run_url(self, run_id: str) -> str | None:
        """Return the URL of the run in the Web UI; None where that is not known."""
        return self.ui_page(f"namespaces/{self.client.namespace}/workflows/{_quoted(run_id)}")

    def schedule_url(self, schedule_id: str) -> str | None:
        """Return the URL of the schedule in the Web UI; None where that is not known."""
        return self.ui_page(f"namespaces/{self.client.namespace}/schedules/{_quoted(schedule_id)}")

    def ui_page(self, path: str = "") -> str | None:
        """Return the URL of a page of the Web UI, which lets one in; None where there is no UI that is known."""
        token = f"?token={self.ui_token}" if self.ui_token else ""
        return f"{self.ui_url}/{path}{token}" if self.ui_url else None


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

    @property
    def address(self) -> str:
        """Return the server's `host:port`, as far as it is known."""
        if self._config:
            return self._config["target_host"]
        assert self._lease
        return self._lease.address or "this machine"

    async def connect(self) -> Backend:
        """Return the backend, once its server answers.

        Raises ConnectionFailed, EmbeddedServerFailed, NoStorage, and UserError for a wrong TASKFLOW_RETENTION, and for
        a signing key that cannot be used.
        """
        backend = await self._connect()
        signer = await before_signing.owner(backend.client, state_dir()) if self.embedded else keys.configured()
        return replace(backend, client=signed(backend.client, signer), signer=signer) if signer else backend

    async def _connect(self) -> Backend:
        encryption = configured_encryption()
        if self._config:
            place = await self._exit_stack.enter_async_context(payload_place.opened(None, encryption))
            return Backend(await connect(self._config, place.converter()), embedded=False, **vars(place))
        assert self._lease
        server = await self._lease.ready()
        await tell_of_unnamed_server(server)
        place = await self._exit_stack.enter_async_context(payload_place.opened(state_dir() / "payloads", encryption))
        client = await connect_to_embedded(server, place.converter())
        await retention.ensure(client)
        ui_url, token = server.ui_url or None, server.ui_token
        return Backend(client, True, ui_url, ui_token=token, codec_url=server.codec_url, **vars(place))


@asynccontextmanager
async def find_backend(ui: bool = False) -> AsyncIterator[PendingBackend]:
    """Yield the backend to use, not yet connected; it lasts for the length of the block.

    `ui`: where it is the embedded server, with its Web UI. Raises ConnectionFailed, also for what its server refuses in
    the block, or does not answer to.
    """
    async with AsyncExitStack() as stack:
        if (config := configured()) and not _is_embedded(config):
            pending = PendingBackend(config, None, stack)
        else:
            lease = begin(ui)
            stack.callback(lease.release)
            pending = PendingBackend(None, lease, stack)
        try:
            yield pending
        except RPCError as error:
            raise refused(pending.address, error) from error


@asynccontextmanager
async def open_backend(ui: bool = False) -> AsyncIterator[Backend]:
    """Yield the backend to use, connected for the length of the block; `ui` as above.

    Raises ConnectionFailed, EmbeddedServerFailed, NoStorage.
    """
    async with find_backend(ui) as pending:
        yield await pending.connect()


def _is_embedded(config: ClientConnectConfig) -> bool:
    """Return whether it is the embedded server that is configured, or was when `env` told its address."""
    address = config["target_host"]
    is_known = answers_at(address) or address == os.environ.get(EMBEDDED_ADDRESS)
    return is_known and config.get("namespace", "default") == "default"
