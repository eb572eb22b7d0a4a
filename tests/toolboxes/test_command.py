"""The command line of the toolboxes, and what a server loads."""

import asyncio
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.sse import sse_client

from runtime.local_server.supervisor import free_port
from tests.support.waiting import until_async
from tests.toolboxes.toolbox_client import REPOSITORY, environment, text_of, toolbox


def run(*arguments: str, **env: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "taskflows.toolboxes", *arguments],
        cwd=REPOSITORY,
        env=environment(env),
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        stdin=subprocess.DEVNULL,
    )


@pytest.mark.parametrize("arguments", [(), ("nope",), ("echo", "memcache")])
def test_an_unknown_name_is_one_line_and_exit_2(arguments: tuple[str, ...]) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "echo, memcache, logbook" in line
    assert (" ".join(arguments) or "nothing") in line


def test_an_unknown_backend_is_one_line_and_exit_2(tmp_path: Path) -> None:
    done = run("memcache", MEMCACHE_BACKEND="redis", MEMCACHE_STATE_DIR=str(tmp_path))
    assert done.returncode == 2
    assert done.stderr == "taskflow-toolbox: MEMCACHE_BACKEND is sqlite or dictionary_file (got redis)\n"


def test_a_state_folder_that_cannot_be_is_one_line_and_exit_2(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = run("logbook", LOGBOOK_STATE_DIR=str(tmp_path / "file" / "book"))
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert "LOGBOOK_STATE_DIR" in line


@pytest.mark.parametrize("name", ["memcache", "logbook"])
async def test_without_a_folder_the_state_is_in_the_home_directory(name: str, tmp_path: Path) -> None:
    async with toolbox(name, HOME=str(tmp_path)) as box:
        await box.client.list_tools()
    (folder,) = tmp_path.rglob(name)
    assert folder.parent.name == "taskflow"


def test_echo_loads_none_of_what_only_the_others_need() -> None:
    script = "import sys; from taskflows.toolboxes.echo import build_server; build_server(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", script], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert not {"sqlite3", "filelock", "platformdirs", "jinja2", "temporalio", "agents"} & set(loaded.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "hint"),
    [
        (("echo", "--transport", "smoke", "--port", "9"), "'smoke'"),
        (("echo", "--transport", "sse"), "--port"),
        (("echo", "--port", "9101"), "--transport"),
        (("echo", "--transport", "sse", "--port", "many"), "'many'"),
        (("echo", "--loud"), "--loud"),
    ],
)
def test_a_wrong_option_is_one_line_and_exit_2(arguments: tuple[str, ...], hint: str) -> None:
    done = run(*arguments)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("taskflow-toolbox: ")
    assert hint in line


@pytest.mark.parametrize(("transport", "path"), [("sse", "/sse"), ("streamable", "/mcp")])
async def test_over_http_until_ctrl_c(transport: str, path: str) -> None:
    port = free_port(0)
    command = [sys.executable, "-m", "taskflows.toolboxes", "echo", "--transport", transport, "--port", str(port)]
    process = subprocess.Popen(
        command,
        cwd=REPOSITORY,
        env=environment({}),
        stderr=subprocess.PIPE,
        text=True,
        # A shell has what it starts in the background ignore Ctrl-C; the tests may have been.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    try:
        assert process.stderr
        url = f"http://127.0.0.1:{port}{path}"
        assert process.stderr.readline() == f"echo: {url}\n"
        await until_async(lambda: accepting(port))
        async with Client(sse_client(url) if transport == "sse" else url) as client:
            assert text_of(await client.call_tool("echo_tool", {"message": "hi"})) == "Echo: hi"
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=20) == 130
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.communicate()


async def accepting(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return False
    writer.close()
    return True
