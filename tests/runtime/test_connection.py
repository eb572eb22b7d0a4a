"""Which server is used, and what is said when it cannot be."""

import contextlib
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from temporalio.envconfig import ClientConnectConfig
from temporalio.service import RPCError, RPCStatusCode

from grammar.errors import ConnectionFailed
from runtime import connection
from runtime.backend import find_backend
from runtime.connection import configured, connect
from runtime.local_server.embedded import EmbeddedServer
from runtime.storage.converter import data_converter
from tests.support.dev_server import DevServer

CONVERTER = data_converter(None)


@pytest.fixture(autouse=True)
def unconfigured(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("TEMPORAL_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("TEMPORAL_CONFIG_FILE", str(tmp_path / "temporal.toml"))


def test_nothing_configured() -> None:
    assert configured() is None


def test_address_and_namespace_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "temporal.example:7233")
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "flows")
    assert configured() == {"target_host": "temporal.example:7233", "namespace": "flows"}


def test_profile_from_the_config_file(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "temporal.toml").write_text('[profile.staging]\naddress = "s.example:1"\napi_key = "k"\n')
    assert configured() is None
    monkeypatch.setenv("TEMPORAL_PROFILE", "staging")
    config = configured()
    assert config is not None
    assert (config["target_host"], config["api_key"], config["tls"]) == ("s.example:1", "k", True)


def test_unknown_profile_is_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEMPORAL_PROFILE", "nowhere")
    with pytest.raises(ConnectionFailed, match="configuration is wrong: Profile 'nowhere' not found"):
        configured()


def test_broken_config_file_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "temporal.toml").write_text("[profile")
    with pytest.raises(ConnectionFailed, match="configuration is wrong"):
        configured()


@contextlib.contextmanager
def silent_server() -> Iterator[str]:
    """Accepts connections, and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield f"127.0.0.1:{listener.getsockname()[1]}"


async def test_server_that_refuses() -> None:
    with pytest.raises(ConnectionFailed, match=r"^no Temporal server answers at 127\.0\.0\.1:1: Connection refused$"):
        await connect(ClientConnectConfig(target_host="127.0.0.1:1"), CONVERTER)


async def test_server_that_does_not_answer() -> None:
    started = time.monotonic()
    with silent_server() as address, pytest.raises(ConnectionFailed, match=f"{address} within 5 s"):
        await connect(ClientConnectConfig(target_host=address), CONVERTER)
    assert time.monotonic() - started < 7


async def test_unknown_namespace(dev_server: DevServer) -> None:
    with pytest.raises(ConnectionFailed, match="has no namespace `nowhere`"):
        await connect(ClientConnectConfig(target_host=dev_server.address, namespace="nowhere"), CONVERTER)


async def test_connects(dev_server: DevServer) -> None:
    client = await connect(ClientConnectConfig(target_host=dev_server.address), CONVERTER)
    assert client.namespace == "default"


@pytest.fixture
def usual(dev_server: DevServer, monkeypatch: pytest.MonkeyPatch) -> None:
    """The usual port is where somebody's dev server listens."""
    port = int(dev_server.address.rpartition(":")[2])
    monkeypatch.setattr(connection, "PORT", port)
    monkeypatch.setattr(connection, "LOCAL", f"localhost:{port}")


OURS = EmbeddedServer("127.0.0.1:1", "")


async def test_a_server_that_nobody_named_is_told_of(usual: None, caplog: pytest.LogCaptureFixture) -> None:
    await connection.tell_of_unnamed_server(OURS)
    (line,) = caplog.messages
    assert f"is not used, since nobody has named it. To use it: export TEMPORAL_ADDRESS={connection.LOCAL}" in line


async def test_where_the_embedded_server_has_the_usual_port_nothing_is_told(
    usual: None, caplog: pytest.LogCaptureFixture
) -> None:
    await connection.tell_of_unnamed_server(EmbeddedServer(connection.LOCAL, ""))
    assert caplog.messages == []


async def test_whatever_listens_on_the_usual_port_is_not_a_server_until_it_answers(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with silent_server() as address:
        monkeypatch.setattr(connection, "PORT", int(address.rpartition(":")[2]))
        monkeypatch.setattr(connection, "LOCAL", address)
        await connection.tell_of_unnamed_server(OURS)
    assert caplog.messages == []


@pytest.mark.parametrize(
    ("status", "says"),
    [
        (RPCStatusCode.UNAVAILABLE, "the Temporal server at s.example:1 does not answer any more: gone"),
        (RPCStatusCode.DEADLINE_EXCEEDED, "the Temporal server at s.example:1 does not answer any more: gone"),
        (RPCStatusCode.INVALID_ARGUMENT, "the Temporal server at s.example:1 refuses: gone"),
    ],
)
async def test_what_the_server_refuses_later_is_no_bug(
    monkeypatch: pytest.MonkeyPatch, status: RPCStatusCode, says: str
) -> None:
    monkeypatch.setenv("TEMPORAL_ADDRESS", "s.example:1")
    with pytest.raises(ConnectionFailed) as failed:
        async with find_backend():
            raise RPCError("gone", status, b"")
    assert str(failed.value) == says
