"""Big values in S3: payloads by Temporal's own driver, and objects for whoever needs them.

Loaded only where S3 is configured: it needs the extra `s3`.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, TypedDict

import aiohttp
from aiobotocore.config import AioConfig
from aiobotocore.session import get_session
from botocore.exceptions import BotoCoreError, ClientError
from temporalio.api.common.v1 import Payload
from temporalio.contrib.aws.s3driver import S3StorageDriver, S3StorageDriverClient
from temporalio.converter import StorageDriverClaim, StorageDriverRetrieveContext

from grammar.errors import NoStorage, StorageFailed
from runtime.storage.payloads import stored_payload
from runtime.storage.s3_url import VARIABLE, BucketUrl

if TYPE_CHECKING:
    from types_aiobotocore_s3.client import S3Client

LARGEST = 2**30
"""Bytes of one payload."""
ANSWERS_WITHIN = 15.0
CONNECTIONS = 50
CHUNK = 2**20
FAILURES = (BotoCoreError, ClientError, aiohttp.ClientError, OSError)
MISSING = 404
# An object of that name is there, or is being written at this moment.
TAKEN = (412, 409)


@asynccontextmanager
async def opened(url: BucketUrl) -> AsyncIterator[Bucket]:
    """Yield the bucket, with credentials, region and endpoint from AWS's own configuration. Raises NoStorage."""
    async with AsyncExitStack() as stack:
        with _starting(url):
            config = AioConfig(max_pool_connections=CONNECTIONS)
            client = await stack.enter_async_context(get_session().create_client("s3", config=config))
            async with asyncio.timeout(ANSWERS_WITHIN):
                await client.head_bucket(Bucket=url.bucket)
        yield Bucket(client, url)


class Bucket:
    """Read and write objects under the prefix of a bucket. What S3, or the way to it, refuses raises StorageFailed."""

    def __init__(self, client: S3Client, url: BucketUrl) -> None:
        self._client = client
        self._url = url

    def payloads(self) -> S3StorageDriver:
        """Return the driver for the data converter."""
        return PayloadObjects(self, self._url.bucket)

    def __str__(self) -> str:
        return str(self._url)

    async def exists(self, key: str) -> bool:
        """Return whether there is an object of that key."""
        with self._reported("read", key):
            try:
                await self._client.head_object(**self._at(key))
            except ClientError as error:
                if _status(error) != MISSING:
                    raise
                return False
        return True

    async def create(self, key: str, content: bytes) -> bool:
        """Write an object, unless there is one of that key, which is left as it is. Returns whether it was written."""
        with self._reported("write", key):
            try:
                await self._client.put_object(**self._at(key), Body=io.BytesIO(content), IfNoneMatch="*")
            except ClientError as error:
                if _status(error) not in TAKEN:
                    raise
                return False
        return True

    async def read(self, key: str) -> bytes:
        """Return what the object holds."""
        with self._reported("read", key):
            body = (await self._client.get_object(**self._at(key)))["Body"]
            async with body:
                return await body.read()

    async def keys(self, folder: str) -> list[str]:
        """Return the keys that begin with `folder/`, in order, without the bucket's prefix."""
        start = f"{self._url.prefix}{folder}/"
        with self._reported("list", folder):
            pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=self._url.bucket, Prefix=start)
            keys = [item["Key"] async for page in pages for item in page.get("Contents", [])]
        return sorted(key.removeprefix(self._url.prefix) for key in keys)

    async def write(self, key: str, content: IO[bytes]) -> None:
        """Write the object, in place of what was there. Of a file, no more than a piece is ever in memory."""
        with self._reported("write", key):
            await self._client.put_object(**self._at(key), Body=content)

    async def upload(self, file: Path, key: str) -> None:
        """Write what the file holds, in place of what was there."""
        with file.open("rb") as content:
            await self.write(key, content)

    async def download(self, key: str, file: Path) -> None:
        """Write what the object holds into the file. No more than a piece of it is ever in memory."""
        with self._reported("read", key), file.open("wb") as target:
            body = (await self._client.get_object(**self._at(key)))["Body"]
            async with body:
                async for chunk in body.iter_chunks(CHUNK):
                    await asyncio.to_thread(target.write, chunk)

    def _at(self, key: str) -> _At:
        return {"Bucket": self._url.bucket, "Key": self._url.prefix + key}

    @contextmanager
    def _reported(self, what: str, key: str) -> Iterator[None]:
        try:
            yield
        except FAILURES as error:
            raise StorageFailed(f"cannot {what} {self._url}/{key}: {error}") from error


class _At(TypedDict):
    Bucket: str
    Key: str


class PayloadObjects(S3StorageDriver):
    """Keep payloads as Temporal's own driver does, and also read those that were encrypted anew since."""

    def __init__(self, bucket: Bucket, name: str) -> None:
        super().__init__(_Payloads(bucket), name, max_payload_size=LARGEST)
        self._objects = bucket

    async def retrieve(
        self, context: StorageDriverRetrieveContext, claims: Sequence[StorageDriverClaim]
    ) -> list[Payload]:
        """Return one payload per claim, in order. Raises RuntimeError, and ValueError for one that is damaged."""
        return list(await asyncio.gather(*(self._retrieve(context, claim) for claim in claims)))

    async def _retrieve(self, context: StorageDriverRetrieveContext, claim: StorageDriverClaim) -> Payload:
        try:
            (payload,) = await super().retrieve(context, [claim])
        except ValueError:  # it has another hash
            content = await self._objects.read(claim.claim_data["key"])
            if (found := stored_payload(content, claim.claim_data["hash_value"])) is None:
                raise
            return found
        return payload


class _Payloads(S3StorageDriverClient):
    """Give Temporal's driver the bucket: the keys are the driver's, the name of the bucket is ours."""

    def __init__(self, bucket: Bucket) -> None:
        self._bucket = bucket

    async def put_object(self, *, bucket: str, key: str, data: bytes) -> None:
        await self._bucket.write(key, io.BytesIO(data))

    async def object_exists(self, *, bucket: str, key: str) -> bool:
        return await self._bucket.exists(key)

    async def get_object(self, *, bucket: str, key: str) -> bytes:
        return await self._bucket.read(key)

    def describe(self) -> Mapping[str, str]:
        """Return what the driver's errors say beside bucket and key."""
        return {"at": str(self._bucket)}


@contextmanager
def _starting(url: BucketUrl) -> Iterator[None]:
    """Raise NoStorage for what goes wrong before anything is stored: it is for the user to put right."""
    try:
        yield
    except TimeoutError:
        raise NoStorage(f"{VARIABLE}: S3 does not answer within {ANSWERS_WITHIN:.0f} s") from None
    except ClientError as error:
        raise NoStorage(f"{VARIABLE}: {_refusal(url, error)}") from error
    except (*FAILURES, ValueError) as error:  # ValueError: an endpoint that is no URL
        raise NoStorage(f"{VARIABLE}: {error}") from error


def _refusal(url: BucketUrl, error: ClientError) -> str:
    match _status(error):
        case 404:
            return f"there is no bucket {url.bucket}"
        case 401 | 403:
            needed = "s3:ListBucket, s3:GetObject and s3:PutObject"
            return f"access to the bucket {url.bucket} is refused: the credentials need {needed}"
        case _:
            return str(error)


def _status(error: ClientError) -> int:
    return error.response["ResponseMetadata"]["HTTPStatusCode"]
