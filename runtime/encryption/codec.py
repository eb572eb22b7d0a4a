"""Payloads encrypted with AES-256-GCM, as Temporal's data converter takes it (docs/decisions/0022)."""

import asyncio
import os
from collections.abc import Mapping, Sequence

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from grammar.errors import MissingKey
from runtime.encryption.keys import EncryptionKeys

ENCODING = b"binary/encrypted"
KEY_ID = "encryption-key-id"
KIND = "kind"
"""What is encrypted, where that is no payload of Temporal's: see sealing.py."""
STORED_AS = "stored-as"
"""The name by which histories know what is stored, where it was encrypted anew since: the hash of what it was."""
_NONCE = 12
# Beyond so many bytes, the event loop does not wait for the cipher.
_LARGE = 2**20


class EncryptionCodec(PayloadCodec):
    """Encrypt with the newest key, decrypt with whichever it was. What is not encrypted is handed on as it is.

    Without keys, nothing is encrypted. An encrypted payload has the id of its key, its kind and its name in its
    metadata, for all to read, and they belong to what the key protects: none can be changed.
    """

    def __init__(self, keys: EncryptionKeys) -> None:
        self._keys = keys

    @property
    def newest(self) -> str:
        """Return the id of the key that encrypts; there is one."""
        return self._keys.newest

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Encrypt each payload, with its metadata."""
        if not self._keys:
            return list(payloads)
        return [await self.encrypted(payload) for payload in payloads]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Decrypt each payload that is encrypted. Raises MissingKey."""
        return [await self._decrypted(payload) if is_encrypted(payload) else payload for payload in payloads]

    async def encrypted(self, payload: Payload, stored_as: str | None = None) -> Payload:
        """Return the payload encrypted with the newest key. `stored_as`: the name that it is stored by."""
        metadata = {"encoding": ENCODING, KEY_ID: self._keys.newest.encode()}
        if kind := payload.metadata.get(KIND):
            metadata[KIND] = kind
        if stored_as:
            metadata[STORED_AS] = stored_as.encode()
        cipher, nonce = self._keys.cipher(self._keys.newest), os.urandom(_NONCE)
        plain, associated = payload.SerializeToString(), _associated(metadata)
        if len(plain) > _LARGE:
            data = await asyncio.to_thread(cipher.encrypt, nonce, plain, associated)
        else:
            data = cipher.encrypt(nonce, plain, associated)
        return Payload(metadata=metadata, data=nonce + data)

    def is_newest(self, payload: Payload) -> bool:
        """Return whether the payload is encrypted with the newest key."""
        return is_encrypted(payload) and payload.metadata.get(KEY_ID) == self._keys.newest.encode()

    async def _decrypted(self, payload: Payload) -> Payload:
        name = payload.metadata.get(KEY_ID, b"").decode(errors="replace")
        cipher, associated = self._keys.cipher(name), _associated(payload.metadata)
        nonce, data = payload.data[:_NONCE], payload.data[_NONCE:]
        from cryptography.exceptions import InvalidTag  # only who has keys loads it

        try:
            if len(data) > _LARGE:
                plain = await asyncio.to_thread(cipher.decrypt, nonce, data, associated)
            else:
                plain = cipher.decrypt(nonce, data, associated)
        except (InvalidTag, ValueError) as error:  # ValueError: it is too short for a nonce
            raise MissingKey(
                f"this was encrypted with another key of the id {name!r} than there is here, or is damaged"
            ) from error
        return Payload.FromString(plain)


def is_encrypted(payload: Payload) -> bool:
    """Return whether an EncryptionCodec wrote the payload."""
    return payload.metadata.get("encoding") == ENCODING and KEY_ID in payload.metadata


def stored_as(payload: Payload) -> str | None:
    """Return the name that the payload was encrypted anew under; None: it was not. Who decrypts it holds the name."""
    return (
        payload.metadata[STORED_AS].decode(errors="replace")
        if is_encrypted(payload) and STORED_AS in payload.metadata
        else None
    )


def _associated(metadata: Mapping[str, bytes]) -> bytes:
    """Return what is protected along with the content: an encrypted payload is good for nothing else."""
    values = [metadata.get(name, b"") for name in ("encoding", KEY_ID, KIND, STORED_AS)]
    return b"".join(len(value).to_bytes(4) + value for value in values)
