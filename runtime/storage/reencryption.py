"""What payload storage keeps, encrypted anew with the newest key: the files of a folder, or the objects of a bucket.

Names stay: histories refer to them. Each file is replaced in one step, while workers read and write beside it.
"""

from __future__ import annotations

import asyncio
import fcntl
import io
import os
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from google.protobuf.message import DecodeError

from grammar.errors import MissingKey, StorageFailed
from runtime.encryption.renewal import Renewal
from runtime.storage.payloads import write_whole
from runtime.storage.stored_files import StoredFile, list_files

if TYPE_CHECKING:  # loads what only those who configure S3 have installed
    from runtime.storage.s3 import Bucket


@dataclass
class Reencrypted:
    """What was done, counted by kind: payload, document, journal (of a bucket: each line of a journal)."""

    written: Counter[str] = field(default_factory=Counter)
    """How many were written anew."""
    current: Counter[str] = field(default_factory=Counter)
    """How many had the newest key already."""
    failed: Counter[str] = field(default_factory=Counter)
    """How many are as they were, by kind and reason."""

    def count(self, kind: str, is_written: bool) -> None:
        """Count one more."""
        (self.written if is_written else self.current)[kind] += 1

    @contextmanager
    def counting_failures(self, kind: str) -> Iterator[None]:
        """Count what cannot be read, and go on with the next. What is gone by now counts nowhere."""
        try:
            yield
        except FileNotFoundError:
            pass
        except (MissingKey, StorageFailed, DecodeError) as error:
            self.failed[f"{kind}: {error}"] += 1


async def reencrypt_folder(renewal: Renewal, folder: Path) -> Reencrypted:
    """Write anew what is in a folder of payload storage. Raises OSError where a file cannot be written."""
    done = Reencrypted()
    renew = {"payload": _payload_file, "document": _document_file, "journal": _journal_file}
    for file in await asyncio.to_thread(list_files, folder):
        if file.kind in renew:
            with done.counting_failures(file.kind):
                done.count(file.kind, await renew[file.kind](renewal, file))
    return done


async def reencrypt_bucket(renewal: Renewal, bucket: Bucket) -> Reencrypted:
    """Write anew what is in a bucket. Raises StorageFailed where it cannot be listed."""
    done = Reencrypted()
    renew = {"payload": _payload_object, "document": _document_object, "journal": _line_object}
    for kind, prefix in (("payload", "v0"), ("document", "documents"), ("journal", "journals")):
        for key in await bucket.keys(prefix):
            with done.counting_failures(kind):
                done.count(kind, await renew[kind](renewal, bucket, key))
    return done


async def _payload_file(renewal: Renewal, file: StoredFile) -> bool:
    content = await renewal.payload(await asyncio.to_thread(file.path.read_bytes), file.key)
    if content is not None:
        await asyncio.to_thread(_replace, file, content)
    return content is not None


async def _document_file(renewal: Renewal, file: StoredFile) -> bool:
    with _beside(file.path) as sealed:
        if not await renewal.document(file.path, file.key, sealed):
            return False
        await asyncio.to_thread(_put_in_place, file, sealed)
        return True


async def _journal_file(renewal: Renewal, file: StoredFile) -> bool:
    journal = f"{file.key}/{file.path.stem}"
    with file.path.open("rb") as open_file:
        try:
            await asyncio.to_thread(fcntl.flock, open_file, fcntl.LOCK_EX)  # who appends waits for us
        except OSError as error:
            raise StorageFailed(f"its file system has no locks ({error.strerror})") from None
        lines = open_file.read().decode(errors="replace").split("\n")
        renewed = [await renewal.line(journal, line) for line in lines]
        if not any(renewed):
            return False
        content = "\n".join(new or line for new, line in zip(renewed, lines, strict=True))
        await asyncio.to_thread(_replace, file, content.encode())
        return True


async def _payload_object(renewal: Renewal, bucket: Bucket, key: str) -> bool:
    content = await renewal.payload(await bucket.read(key), key.rpartition("/")[2])
    if content is not None:
        await bucket.write(key, io.BytesIO(content))
    return content is not None


async def _document_object(renewal: Renewal, bucket: Bucket, key: str) -> bool:
    with tempfile.TemporaryDirectory(prefix="taskflow-") as folder:
        document, sealed = Path(folder) / "document", Path(folder) / "sealed"
        await bucket.download(key, document)
        if not await renewal.document(document, key.rpartition("/")[2], sealed):
            return False
        await bucket.upload(sealed, key)
        return True


async def _line_object(renewal: Renewal, bucket: Bucket, key: str) -> bool:
    journal = key.removeprefix("journals/").rpartition("/")[0]
    line = await renewal.line(journal, (await bucket.read(key)).decode(errors="replace"))
    if line is not None:
        await bucket.write(key, io.BytesIO(line.encode()))
    return line is not None


def _replace(file: StoredFile, content: bytes) -> None:
    write_whole(file.path, content)
    _keep_time(file)


@contextmanager
def _beside(path: Path) -> Iterator[Path]:
    """Yield the name of a file on the same disk, which is gone at the end if it is still there."""
    with tempfile.NamedTemporaryFile(dir=path.parent, delete=False) as made:
        beside = Path(made.name)
    try:
        yield beside
    finally:
        beside.unlink(missing_ok=True)


def _put_in_place(file: StoredFile, sealed: Path) -> None:
    with sealed.open("rb") as written:
        os.fsync(written.fileno())
    sealed.replace(file.path)
    _keep_time(file)


def _keep_time(file: StoredFile) -> None:
    """Have the file be as old as it was: how old what is left over is decides whether it is removed."""
    os.utime(file.path, (file.changed, file.changed))
