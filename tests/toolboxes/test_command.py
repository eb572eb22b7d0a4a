"""The command line of the toolboxes, and what a server loads."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.toolboxes.server_process import REPOSITORY, environment, toolbox


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
