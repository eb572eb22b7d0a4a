"""A real S3 server for tests, over HTTP: moto's, in a process of its own, and a bucket in it for each test.

python -m tests.support.s3_server: serves on a free port, and prints it
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import botocore.session
import pytest

from runtime.local_server.supervisor import die_with_parent

ROOT = Path(__file__).parents[2]
PAGE = 7
"""Keys that one answer lists; a thousand where nobody tests."""


@dataclass(frozen=True)
class S3:
    """A bucket on the server at `url`."""

    url: str
    bucket: str

    @property
    def env(self) -> dict[str, str]:
        """Return the variables that lead AWS's clients to the bucket."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": "id-of-the-tests",
            "AWS_SECRET_ACCESS_KEY": "key-of-the-tests",
            "AWS_DEFAULT_REGION": "eu-central-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_MAX_ATTEMPTS": "1",
        }

    def objects(self) -> dict[str, bytes]:
        """Return the content of all objects, by key."""
        with closing(_client(self.url)) as client:
            pages = client.get_paginator("list_objects_v2").paginate(Bucket=self.bucket)
            keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
            return {key: client.get_object(Bucket=self.bucket, Key=key)["Body"].read() for key in keys}

    def put(self, key: str, content: bytes) -> None:
        """Write an object."""
        with closing(_client(self.url)) as client:
            client.put_object(Bucket=self.bucket, Key=key, Body=content)

    def delete(self, *keys: str) -> None:
        """Delete the objects."""
        with closing(_client(self.url)) as client:
            for key in keys:
                client.delete_object(Bucket=self.bucket, Key=key)


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Run the server, and yield its URL. Tests share it, and keep apart by their buckets."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.s3_server"],
        cwd=ROOT,
        env=os.environ | {"MOTO_S3_DEFAULT_MAX_KEYS": str(PAGE)},
        stdout=subprocess.PIPE,
        text=True,
        preexec_fn=die_with_parent(),
    )
    assert process.stdout
    try:
        yield f"http://127.0.0.1:{int(process.stdout.readline())}"
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def s3(s3_server: str, monkeypatch: pytest.MonkeyPatch) -> S3:
    """Make an empty bucket, which this process's environment leads to."""
    made = S3(s3_server, f"bucket-{uuid.uuid4().hex}")
    with closing(_client(s3_server)) as client:
        client.create_bucket(
            Bucket=made.bucket, CreateBucketConfiguration={"LocationConstraint": made.env["AWS_DEFAULT_REGION"]}
        )
    for name, value in made.env.items():
        monkeypatch.setenv(name, value)
    return made


def _client(url: str) -> Any:
    return botocore.session.get_session().create_client(
        "s3", endpoint_url=url, region_name="eu-central-1", aws_access_key_id="x", aws_secret_access_key="x"
    )


def serve() -> None:
    """Serve S3 on a free port, and print the port."""
    from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app
    from werkzeug.serving import make_server

    class Quiet(MotoRequestHandler):
        def log_request(self, *_: object) -> None:
            """Nothing went wrong."""

    # One request at a time: whether an object is there, and writing it, are two steps in moto.
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, threaded=False, request_handler=Quiet)
    print(server.port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    serve()
