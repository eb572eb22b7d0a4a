"""What was encrypted with an older key, or not at all, encrypted with the newest one."""

import tempfile
from functools import partial
from pathlib import Path

from temporalio.api.common.v1 import Payload

from runtime.encryption import sealing
from runtime.encryption.codec import EncryptionCodec


class Renewal:
    """Encrypt with the newest key. Whatever cannot be read raises MissingKey or StorageFailed."""

    def __init__(self, codec: EncryptionCodec) -> None:
        self._codec = codec

    async def payload(self, content: bytes, digest: str) -> bytes | None:
        """Return the stored payload anew; None where it has the newest key. `digest`: the hash it is stored by.

        Raises DecodeError where it is none.
        """
        payload = Payload.FromString(content)
        if self._codec.is_newest(payload):
            return None
        (plain,) = await self._codec.decode([payload])
        return (await self._codec.encrypted(plain, digest)).SerializeToString(deterministic=True)

    async def line(self, journal: str, line: str) -> str | None:
        """Return the journal's line anew; None where it has the newest key, and where it is empty or cut off."""
        sealed = sealing.sealed_payload(line)
        if sealed and self._codec.is_newest(sealed):
            return None
        plain = await sealing.open_line(self._codec, journal, line)
        return await sealing.seal_line(self._codec.encrypted, journal, plain) if plain else None

    async def document(self, document: Path, digest: str, sealed: Path) -> bool:
        """Write the document anew, to `sealed`; return False, and do nothing, where it has the newest key."""
        first = sealing.first_piece(document)
        if first and self._codec.is_newest(first):
            return False
        encode = partial(self._codec.encrypted, stored_as=digest)
        if first is None:
            with document.open("rb") as plain:
                await sealing.seal_file(encode, plain, sealed)
            return True
        with tempfile.TemporaryFile() as opened:  # it has no name that could be left behind
            await sealing.open_file(self._codec, document, opened)
            opened.seek(0)
            await sealing.seal_file(encode, opened, sealed)
        return True
