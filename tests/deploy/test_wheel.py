"""The package, built and installed beside packages that have the names of our rooms, and run in a folder of traps."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from tests.deploy.installed import ROOT, Installed, copy_checkout, environment, write_wheel

NEIGHBOURS = ("console", "commands")
# How the command line is asked for these.
LINT, SAMPLE = ("lint",), ("sample",)
ENVIRONMENT = "taskflow: [{task: {id: path, run: 'printf %s ${PYTHONPATH-unset}'}}]\n"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel with its neighbours, and then the dependencies."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "pip", "wheel", "--no-deps", "--no-build-isolation", "-qq", "-w", str(folder), "."]
    subprocess.run(command, cwd=ROOT, check=True)
    for name in NEIGHBOURS:
        write_wheel(folder, name)
    found = environment(folder)
    found.pip("install", "--no-deps", "--no-index", *map(str, folder.glob("*.whl")))
    found.lend_dependencies()
    return found


def test_one_import_name(wheel: Installed) -> None:
    names = {path.name for path in wheel.packages.iterdir() if path.suffix not in (".dist-info", ".pth")}
    assert names == {"temporal_taskflow", *NEIGHBOURS}


def test_version(wheel: Installed) -> None:
    assert re.fullmatch(r"taskflow \d+\.\d+\.\d+\n", wheel.run("taskflow", "--version"))


def test_sample_and_lint(wheel: Installed) -> None:
    (wheel.folder / "sample.yaml").write_text(wheel.run("taskflow", *SAMPLE))
    wheel.run("taskflow", *LINT, "sample.yaml")
    wheel.run("taskflow", *LINT, "taskflows.examples.echo")


def test_dry_run_by_path_with_a_worker_of_its_own(wheel: Installed) -> None:
    path = wheel.packages / "temporal_taskflow/app/taskflows/examples/fan_out.yaml"
    assert json.loads(wheel.run("taskflow", str(path), "--dry-run", "--json"))["status"] == "completed"


def test_worker(wheel: Installed) -> None:
    """It serves a dry run by dotted name, and a script, which is given no PYTHONPATH of ours; and then it stops."""
    (wheel.folder / "path.yaml").write_text(ENVIRONMENT)
    with serving(wheel):
        ran = json.loads(wheel.run("taskflow", "taskflows.examples.hello", "--dry-run", "--json"))
        assert ran["status"] == "completed"
        assert json.loads(wheel.run("taskflow", "path.yaml", "--json"))["outputs"] == {"path": "unset"}


async def test_echo_toolbox(wheel: Installed) -> None:
    program, *arguments = wheel.command("taskflow-toolbox", "echo")
    process = StdioServerParameters(command=program, args=arguments, env=wheel.env, cwd=wheel.folder)
    async with Client(stdio_client(process)) as client:
        result = await client.call_tool("echo_tool", {"message": "hello"})
    assert [block.text for block in result.content if block.type == "text"] == ["Echo: hello"]


def test_neighbours_leave_without_taking_our_files_along(wheel: Installed) -> None:
    wheel.pip("uninstall", "-y", *NEIGHBOURS)
    assert not any((wheel.packages / name).exists() for name in NEIGHBOURS)
    wheel.run("taskflow", *LINT, "taskflows.examples.echo")


def test_editable_install(tmp_path: Path) -> None:
    """The checkout's programs and the commands run the same code, also after an edit, and in a folder of traps."""
    checkout = copy_checkout(tmp_path / "checkout")
    editable = environment(tmp_path)
    editable.lend_dependencies()
    editable.pip("install", "--no-deps", "--no-build-isolation", "--no-index", "-e", str(checkout))
    assert [path.name for path in editable.packages.iterdir() if path.suffix not in (".dist-info", ".pth")] == []
    dry_run = editable.run("python", str(checkout / "starter.py"), "taskflows.examples.hello", "--dry-run", "--json")
    assert json.loads(dry_run)["status"] == "completed"
    for program in ("starter.py", "worker.py"):
        path = checkout / program
        head, main, tail = path.read_text().partition("\ndef main() -> None:\n")
        path.write_text(f"{head}{main}    print('edited')\n{tail}")
    for command in (("taskflow",), ("taskflow-worker",), ("python", str(checkout / "starter.py"))):
        assert editable.run(*command, "--help").startswith("edited\n")


@contextmanager
def serving(installed: Installed) -> Iterator[None]:
    """A worker for the length of the block."""
    command = installed.command("taskflow-worker")
    with subprocess.Popen(
        command, cwd=installed.folder, env=installed.env, stderr=subprocess.PIPE, text=True
    ) as worker:
        try:
            assert worker.stderr and "serving task queue" in worker.stderr.readline()
            yield
        finally:
            worker.send_signal(signal.SIGTERM)
        assert worker.wait(timeout=60) == 0
