"""What we keep besides payloads, through the payloads' codec: lines of journals, and files however large.

A sealed line is JSON, `{"sealed": BASE64}`; a sealed file is MAGIC, and then its pieces, each with its length (4 bytes)
in front. What BASE64 and pieces hold is a payload of Temporal's, encoded. What it is, is told inside, where the codec
protects it: no line, and no piece, is taken for another one's.
"""

import asyncio
import base64
import binascii
import json
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Protocol

from google.protobuf.message import DecodeError
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from grammar.errors import MissingKey, StorageFailed
from runtime.encryption.codec import KIND

MAGIC = b"\xfftaskflow sealed 1\n"
"""No text in UTF-8 begins like this, and documents that are not sealed are nothing else."""
PIECE = 2**20
LARGEST_RECORD = 2**26
_LENGTH = 4
_LINE = '{"sealed":'
JOURNAL, DOCUMENT = "journal", "document"

Encode = Callable[[Payload], Awaitable[Payload]]


class LineStore(Protocol):
    """Keep journals by key, line by line."""

    async def read(self, key: str) -> list[str]:
        """Return the lines so far; none where there is no such journal. Raises StorageFailed."""

    async def append(self, key: str, line: str) -> None:
        """Add a line: when this returns, it outlives the process. Raises StorageFailed."""


class SealedJournals:
    """Keep the lines of journals sealed. Lines that are not are read as they are: they were written before."""

    def __init__(self, journals: LineStore, codec: PayloadCodec, is_on: bool) -> None:
        self._journals = journals
        self._codec = codec
        self._is_on = is_on

    async def read(self, key: str) -> list[str]:
        """Return the lines so far, an empty one for each that was cut off. Raises StorageFailed."""
        with missing_key_as_failure("journal"):
            return [await open_line(self._codec, key, line) for line in await self._journals.read(key)]

    async def append(self, key: str, line: str) -> None:
        """Add a line: when this returns, it outlives the process. Raises StorageFailed."""
        await self._journals.append(key, await seal_line(encoder(self._codec), key, line) if self._is_on else line)


@contextmanager
def missing_key_as_failure(kind: str) -> Iterator[None]:
    """Raise StorageFailed in place of MissingKey: a task that reads what is kept is tried again, and then waits."""
    try:
        yield
    except MissingKey as error:
        raise StorageFailed(f"a {kind} cannot be read: {error}") from error


def encoder(codec: PayloadCodec) -> Encode:
    """Return the codec's way to encode one payload."""

    async def encode(payload: Payload) -> Payload:
        (encoded,) = await codec.encode([payload])
        return encoded

    return encode


async def seal_line(encode: Encode, key: str, line: str) -> str:
    """Return the line sealed; `key`: of the journal that it belongs to."""
    sealed = await encode(_payload(JOURNAL, key, line.encode()))
    return f'{_LINE}"{base64.b64encode(sealed.SerializeToString()).decode()}"}}'


def sealed_payload(line: str) -> Payload | None:
    """Return what a sealed line holds; None where it is cut off, or not sealed."""
    if not line.startswith(_LINE):
        return None
    try:
        return Payload.FromString(base64.b64decode(json.loads(line)["sealed"], validate=True))
    except (ValueError, KeyError, TypeError, binascii.Error, DecodeError):
        return None


async def open_line(codec: PayloadCodec, key: str, line: str) -> str:
    """Return the line as it was; one that is not sealed as it is, an empty one where it is cut off.

    Raises MissingKey, and StorageFailed where it is of another journal.
    """
    if not line.startswith(_LINE):
        return line
    sealed = sealed_payload(line)
    if sealed is None:
        return ""
    opened = await _opened(codec, sealed, JOURNAL)
    if _told(opened, "name") != key:
        raise StorageFailed(f"a line of the journal {key} is another journal's")
    return opened.data.decode()


def is_sealed(file: Path) -> bool:
    """Return whether the file is sealed."""
    with file.open("rb") as content:
        return content.read(len(MAGIC)) == MAGIC


def first_piece(file: Path) -> Payload | None:
    """Return the first piece of a sealed file, encoded; None where there is none."""
    with file.open("rb") as content:
        return _read_record(content) if content.read(len(MAGIC)) == MAGIC else None


async def seal_file(encode: Encode, plain: BinaryIO, sealed: Path) -> None:
    """Write what is left of `plain` to `sealed`, piece by piece: it need not fit into memory."""
    name = uuid.uuid4().hex
    with sealed.open("wb") as target:
        target.write(MAGIC)
        number, piece = 0, plain.read(PIECE)
        while True:
            following = await asyncio.to_thread(plain.read, PIECE)
            payload = _payload(DOCUMENT, name, piece, piece=str(number), last=str(not following))
            record = (await encode(payload)).SerializeToString()
            await asyncio.to_thread(target.write, len(record).to_bytes(_LENGTH) + record)
            if not following:
                return
            number, piece = number + 1, following


async def open_file(codec: PayloadCodec, sealed: Path, plain: BinaryIO) -> None:
    """Write what the sealed file holds to `plain`. Raises MissingKey, and StorageFailed where it is damaged."""
    number, name, is_last = 0, "", False
    with sealed.open("rb") as source:
        source.seek(len(MAGIC))
        while record := await asyncio.to_thread(_read_record, source):
            piece = await _opened(codec, record, DOCUMENT)
            name = name or _told(piece, "name")
            if is_last or (_told(piece, "name"), _told(piece, "piece")) != (name, str(number)):
                raise _damaged(sealed)
            await asyncio.to_thread(plain.write, piece.data)
            number, is_last = number + 1, _told(piece, "last") == str(True)
    if not is_last:
        raise _damaged(sealed)


def _payload(kind: str, name: str, content: bytes, **told: str) -> Payload:
    metadata = {"encoding": "binary/plain", KIND: kind, "name": name, **told}
    return Payload(metadata={key: value.encode() for key, value in metadata.items()}, data=content)


async def _opened(codec: PayloadCodec, sealed: Payload, kind: str) -> Payload:
    """Return what was sealed. Raises MissingKey, and StorageFailed where it is of another kind."""
    (opened,) = await codec.decode([sealed])
    if _told(opened, KIND) != kind:
        raise StorageFailed(f"what should be a {kind} was sealed as something else")
    return opened


def _told(payload: Payload, name: str) -> str:
    return payload.metadata.get(name, b"").decode(errors="replace")


def _read_record(source: BinaryIO) -> Payload | None:
    """Return the next piece; None at the end, and where it is cut off."""
    length = int.from_bytes(source.read(_LENGTH))
    if not 0 < length <= LARGEST_RECORD:
        return None
    try:
        return Payload.FromString(source.read(length))
    except DecodeError:
        return None


def _damaged(file: Path) -> StorageFailed:
    return StorageFailed(f"the document {file} is damaged: pieces of it are missing, or are another document's")
