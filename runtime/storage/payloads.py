"""Payload storage in files, named by the hash of what they hold."""

import asyncio
import hashlib
import os
import re
import tempfile
from collections.abc import Sequence
from pathlib import Path

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import (
    StorageDriver,
    StorageDriverClaim,
    StorageDriverRetrieveContext,
    StorageDriverStoreContext,
)

from grammar.errors import NoStorage, StorageFailed
from runtime.encryption.codec import stored_as

_DIGEST = re.compile("[0-9a-f]{64}")


class FileStorageDriver(StorageDriver):
    """Keep each payload in `directory`/ab/abcd...: SHA-256 of its bytes. Only `reencrypt` writes it anew.

    A missing or damaged file raises NoStorage, in a workflow a task failure: the run waits, and goes on
    when the file is back, or when a worker that has it takes over. (An ApplicationError would end the run.)
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def name(self) -> str:
        """Return the driver's name. It is a part of every reference in a history: it must stay as it is."""
        return "taskflow-files"

    async def store(self, context: StorageDriverStoreContext, payloads: Sequence[Payload]) -> list[StorageDriverClaim]:
        """Keep each payload that is not kept yet. Returns one claim per payload, in order."""
        return list(await asyncio.gather(*(asyncio.to_thread(self._store, payload) for payload in payloads)))

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Return one payload per claim, in order. Raises NoStorage."""
        return list(await asyncio.gather(*(asyncio.to_thread(self._retrieve, claim) for claim in claims)))

    def _path(self, digest: str) -> Path:
        return self._directory / digest[:2] / digest

    def _store(self, payload: Payload) -> StorageDriverClaim:
        content = payload.SerializeToString(deterministic=True)
        digest = hashlib.sha256(content).hexdigest()
        if not is_kept(path := self._path(digest)):
            try:
                write_whole(path, content)
            except OSError as error:
                raise StorageFailed(f"a payload could not be written: {error.strerror}: {path}") from error
        return StorageDriverClaim({"sha256": digest})

    def _retrieve(self, claim: StorageDriverClaim) -> Payload:
        digest = claim.claim_data.get("sha256", "")
        if not _DIGEST.fullmatch(digest):  # it comes from whoever can reach the server, and would lead anywhere
            raise NoStorage(f"{digest[:100]!r} is not the name of a payload file")
        path = self._path(digest)
        try:
            content = path.read_bytes()
        except FileNotFoundError as error:
            raise NoStorage(f"the payload file {path} is missing: it was deleted, or is on another machine") from error
        if payload := stored_payload(content, path.name):
            return payload
        raise NoStorage(f"the payload file {path} is damaged: its content does not have the hash it is named by")


def stored_payload(content: bytes, digest: str) -> Payload | None:
    """Return the payload that is stored by that hash; None where it is damaged.

    One that was encrypted anew has another hash, and tells inside, where its key protects it, by which it is stored.
    """
    try:
        payload = Payload.FromString(content)
    except DecodeError:
        return None
    return payload if hashlib.sha256(content).hexdigest() == digest or stored_as(payload) == digest else None


def is_kept(path: Path) -> bool:
    """Return whether the file is there; if so, it counts as new from now on, and is not removed as left over."""
    try:
        os.utime(path)
    except FileNotFoundError:
        return False
    except PermissionError:  # somebody else's, on a shared disk
        return path.exists()
    return True


def write_whole(path: Path, content: bytes) -> None:
    """Write the file whole or not at all, also in a power failure. Raises OSError."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as unfinished:
        try:
            unfinished.write(content)
            unfinished.flush()
            os.fsync(unfinished.fileno())
        except OSError:  # a full disk: it is not to be filled further
            Path(unfinished.name).unlink()
            raise
    Path(unfinished.name).replace(path)
