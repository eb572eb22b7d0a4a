"""TASKFLOW_PAYLOAD_S3: the bucket in which big payloads are kept."""

import os
import re
from dataclasses import dataclass
from typing import Self

from grammar.errors import NoStorage

VARIABLE = "TASKFLOW_PAYLOAD_S3"
# What S3 takes in names of buckets, and in keys without any encoding.
FORM = re.compile(
    r"s3://(?P<bucket>[A-Za-z0-9][A-Za-z0-9._-]{2,62})(?P<prefix>(/(?!\.{1,2}(/|$))[A-Za-z0-9!_.*'()=-]+)*)/?"
)


@dataclass(frozen=True)
class BucketUrl:
    """Name a bucket, and what each key in it begins with: nothing, or a path that ends with `/`."""

    bucket: str
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `s3://bucket/prefix`. Raises NoStorage."""
        if not (match := FORM.fullmatch(text)):
            raise NoStorage(f"{VARIABLE} is {text!r}; write s3://BUCKET or s3://BUCKET/PREFIX")
        prefix = match["prefix"].removeprefix("/")
        return cls(match["bucket"], f"{prefix}/" if prefix else "")

    def __str__(self) -> str:
        return f"s3://{self.bucket}/{self.prefix}".removesuffix("/")


def configured() -> BucketUrl | None:
    """Return the bucket for a server that is not the embedded one; None where none is set. Raises NoStorage."""
    text = os.environ.get(VARIABLE)
    if text and os.environ.get("TASKFLOW_PAYLOAD_DIR"):
        raise NoStorage(f"{VARIABLE} and TASKFLOW_PAYLOAD_DIR are both set: payloads are kept in one place, set one")
    return BucketUrl.parse(text) if text else None
