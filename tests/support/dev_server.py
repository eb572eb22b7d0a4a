"""A real Temporal dev server for tests, one per pytest process, on free ports."""

import os
import subprocess
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from runtime.local_server.supervisor import die_with_parent, free_port

ACK_INTERVAL = "history.transferProcessorUpdateAckInterval"
"""A run that has ended is deleted once its end is acknowledged, which a server does every half minute by itself."""


@dataclass(frozen=True)
class DevServer:
    """Where a test's server answers (`host:port`), its Web UI's URL and its SQLite database."""

    address: str
    ui_url: str
    database: Path


@pytest.fixture(scope="session")
def dev_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DevServer]:
    """Run a server for the session: tests share it, and keep apart by workflow ids and task queues."""
    with serving(tmp_path_factory.mktemp("temporal")) as server:
        yield server


@pytest.fixture
def lone_server(tmp_path: Path) -> Iterator[DevServer]:
    """Run a server for one test, which knows of no worker that has come and gone."""
    (tmp_path / "lone").mkdir()
    with serving(tmp_path / "lone") as server:
        yield server


@contextmanager
def serving(folder: Path, *options: str) -> Iterator[DevServer]:
    """Run a server for the length of the block. `options`: more of the command's."""
    port, ui_port = free_port(0), free_port(0)
    server = DevServer(f"127.0.0.1:{port}", f"http://localhost:{ui_port}", folder / "temporal.db")
    process = start(server, port, ui_port, *options)
    try:
        yield server
    finally:
        process.kill()
        process.communicate()


def start(server: DevServer, port: int, ui_port: int, *options: str) -> subprocess.Popen[bytes]:
    """Start the server, and return its process as soon as it answers. It ends with this process."""
    binary = str(Path(sysconfig.get_path("scripts")) / "temporal")
    command = [binary, "server", "start-dev", "--ip", "127.0.0.1", "--log-level", "error"]
    command += ["--port", str(port), "--ui-port", str(ui_port), "--db-filename", str(server.database), *options]
    command += ["--dynamic-config-value", "frontend.WorkflowPauseEnabled=true"]  # `temporal workflow pause`
    command += ["--dynamic-config-value", f'{ACK_INTERVAL}="1s"']
    process = subprocess.Popen(
        command,
        env={"PATH": os.environ["PATH"], "HOME": str(server.database.parent)},
        stdout=subprocess.PIPE,
        preexec_fn=die_with_parent(),
    )
    assert process.stdout is not None
    if not any(b"Server:" in line for line in process.stdout):
        raise RuntimeError(f"the dev server at {server.address} did not start")
    return process
