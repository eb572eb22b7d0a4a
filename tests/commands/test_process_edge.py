"""What the program is started in: one line where that cannot be used."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands.conftest import ROOT, Starter


def refused(ended: "subprocess.CompletedProcess[str]", *says: str) -> None:
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr.startswith("error: ")
    assert len(ended.stderr.splitlines()) == 1
    assert all(text in ended.stderr for text in says), ended.stderr


@pytest.mark.parametrize(("folder", "why"), [
    ("/dev/null/x", "in /dev/null/x: Not a directory"), ("/proc/x", "/proc/x: No such file or directory"),
    ("~nobody-here/x", "in ~nobody-here/x: Could not determine home directory"),
])  # fmt: skip
def test_a_state_folder_that_cannot_be_used(starter: Starter, folder: str, why: str) -> None:
    refused(starter("list", TASKFLOW_STATE_DIR=folder), why, "set TASKFLOW_STATE_DIR to a folder")


def test_a_file_of_the_state_folder_that_cannot_be_used(starter: Starter, here: Path) -> None:
    (here / "state" / "start.lock").mkdir(parents=True)
    refused(starter("list"), f"no state can be kept in {here}/state/start.lock: Is a directory")


def test_no_home(starter: Starter, here: Path) -> None:
    refused(starter("list", HOME="/dev/null", TASKFLOW_STATE_DIR=""), "/dev/null", "TASKFLOW_STATE_DIR")


def test_a_state_folder_is_bad_input_as_json(starter: Starter) -> None:
    document = json.loads(starter("list", "--json", TASKFLOW_STATE_DIR="/dev/null/x").stdout)
    assert (document["status"], document["exit_code"]) == ("bad_input", 2)


def test_dot_env(starter: Starter, here: Path) -> None:
    (here / ".env").write_bytes(b"A=1\nB=\xff\n")
    refused(starter("lint", "x.yaml"), f"{here}/.env is not UTF-8: invalid start byte at byte 6; save it as UTF-8")
    (here / ".env").unlink()
    (here / ".env").mkdir()  # a virtual environment of that name
    assert starter("schema", "taskflow").returncode == 0


@pytest.mark.parametrize("program", ["starter.py", "worker.py"])
def test_a_working_directory_that_is_gone(here: Path, program: str) -> None:
    line = f"mkdir gone && cd gone && rmdir ../gone && '{sys.executable}' '{ROOT / program}'"
    arguments = " list" if program == "starter.py" else ""
    ended = subprocess.run(["bash", "-c", line + arguments], capture_output=True, text=True, check=False, timeout=60)
    refused(ended, "the working directory cannot be used")


def test_a_pipe_that_is_closed_and_an_encoding_that_is_not_utf_8(starter: Starter, here: Path) -> None:
    line = f"'{sys.executable}' '{ROOT / 'starter.py'}' schema taskflow | true; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", line], capture_output=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, b"")
    told = json.loads(
        starter("lint", "--json", "\N{LATIN SMALL LETTER E WITH ACUTE}.yaml", PYTHONIOENCODING="ascii").stdout
    )
    assert told["problems"][0]["file"] == "\N{LATIN SMALL LETTER E WITH ACUTE}.yaml"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_it_connects_is_one_line(here: Path, number: signal.Signals) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        silent.settimeout(30)
        starter = subprocess.Popen(
            [sys.executable, str(ROOT / "starter.py"), "list"], stderr=subprocess.PIPE, text=True,
            env=os.environ | {"TEMPORAL_ADDRESS": address, "TASKFLOW_STATE_DIR": str(here / "state")},
        )  # fmt: skip
        connection, _ = silent.accept()
        with connection:
            starter.send_signal(number)
            _, told = starter.communicate(timeout=30)
    assert (starter.returncode, told) == (130, "interrupted\n")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_is_one_line(here: Path, number: signal.Signals) -> None:
    script = (
        "import os, time; from runtime import streams, stopping; import signal; streams.prepare();"
        "stopping.interrupt_on(signal.SIGTERM, signal.SIGHUP); from commands.process_edge import run_and_leave;"
        f"run_and_leave(lambda: os.kill(os.getpid(), {int(number)}) or time.sleep(9))"
    )
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, cwd=ROOT)
    assert (ended.returncode, ended.stderr) == (130, "interrupted\n")
