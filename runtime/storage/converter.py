"""How values become payloads: pydantic JSON, and big ones in files or in S3."""

import dataclasses
import os
from pathlib import Path

from temporalio.contrib.pydantic import pydantic_data_converter
from temporalio.converter import (
    DataConverter,
    DefaultFailureConverterWithEncodedAttributes,
    ExternalStorage,
    StorageDriver,
)

from runtime.encryption.configured import Encryption
from runtime.storage.payloads import FileStorageDriver


def shared_folder() -> Path | None:
    """Return where big payloads are kept with a server of one's own; None: nowhere, they must fit into the history.

    Starter and workers may be on several machines: only where TASKFLOW_PAYLOAD_DIR names a directory that all share.
    """
    shared = os.environ.get("TASKFLOW_PAYLOAD_DIR")
    return Path(shared).expanduser().absolute() if shared else None


def data_converter(payloads: Path | StorageDriver | None, encryption: Encryption | None = None) -> DataConverter:
    """Return the data converter of all clients.

    `payloads`: the folder, or the driver, that keeps payloads of 256 KiB and more; None: they stay in the history.
    `encryption` None: nothing is encrypted, and what is cannot be read.
    """
    encryption = encryption or Encryption()
    converter = dataclasses.replace(pydantic_data_converter, payload_codec=encryption.codec)
    if encryption.is_on:  # messages and tracebacks of failures, too
        encoding = DefaultFailureConverterWithEncodedAttributes
        converter = dataclasses.replace(converter, failure_converter_class=encoding)
    if payloads is None:
        return converter
    driver = FileStorageDriver(payloads) if isinstance(payloads, Path) else payloads
    return dataclasses.replace(converter, external_storage=ExternalStorage(drivers=[driver]))
