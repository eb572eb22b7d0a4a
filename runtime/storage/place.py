"""Where payloads, documents and journals are kept, for a server that is not the embedded one, and for that."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from temporalio.converter import DataConverter

from grammar.errors import NoStorage
from runtime.encryption.configured import Encryption
from runtime.storage import s3_url
from runtime.storage.converter import data_converter, shared_folder
from runtime.storage.document_files import FileDocuments
from runtime.storage.document_objects import DocumentObjects
from runtime.storage.s3_url import BucketUrl
from runtime.storage.scratch import scratch_folder
from runtime.storage.stored_documents import StoredDocuments

if TYPE_CHECKING:  # loads what only those who configure S3 have installed
    from runtime.storage.s3 import Bucket


@dataclass(frozen=True)
class PayloadPlace:
    """Where big values are kept: `folder` or `bucket`; neither: nowhere, they must fit into the history.

    `documents`: results that are too large for a history; they are kept there, too. `encryption`: how it is encoded.
    """

    folder: Path | None = None
    bucket: Bucket | None = None
    documents: StoredDocuments | None = None
    encryption: Encryption = field(default_factory=Encryption)

    def converter(self) -> DataConverter:
        """Return the data converter of clients that keep their payloads here."""
        return data_converter(self.bucket.payloads() if self.bucket else self.folder, self.encryption)


@asynccontextmanager
async def opened(folder: Path | None, encryption: Encryption) -> AsyncIterator[PayloadPlace]:
    """Yield the place; it is open for the length of the block. Raises NoStorage.

    `folder`: the embedded server's; None: where the environment says.
    """
    async with AsyncExitStack() as stack:
        scratch = stack.enter_context(scratch_folder()) if encryption.is_on else None
        if folder is None and (url := s3_url.configured()):
            bucket = await stack.enter_async_context(_opened(url))
            kept = DocumentObjects(bucket, stack.enter_context(scratch_folder()))
            yield PayloadPlace(None, bucket, StoredDocuments(kept, encryption, scratch), encryption)
        elif folder := folder or shared_folder():
            files = FileDocuments(folder / "documents")
            yield PayloadPlace(folder, None, StoredDocuments(files, encryption, scratch), encryption)
        else:
            yield PayloadPlace(encryption=encryption)


def _opened(url: BucketUrl) -> AbstractAsyncContextManager[Bucket]:
    try:
        from runtime.storage.s3 import opened
    except ImportError as error:
        raise NoStorage(f"{s3_url.VARIABLE} needs more packages: pip install 'temporal-taskflow[s3]'") from error
    return opened(url)
