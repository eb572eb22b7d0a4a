"""Processes of starter.py and worker.py, as a person starts them, in a place of their own."""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from tests.support.dev_server import DevServer
from tests.support.ports import give_own_ports
from tests.support.scripted_endpoint import Reply, ScriptedEndpoint
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]
BRIEF = "personality: You are brief.\n"
KEY = "key-of-the-tests"
SECRET = "the-password-of-the-tests"
D = TypeVar("D", bound="Desk")
_NUMBERS = itertools.count(1)


@dataclass
class EndedProcess:
    """A process that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass
class Desk:
    """A working directory with its own state directory, and the commands run there."""

    folder: Path
    env: dict[str, str]
    running: list[subprocess.Popen[str]] = field(default_factory=list)

    @property
    def state(self) -> Path:
        return Path(self.env["TASKFLOW_STATE_DIR"])

    @property
    def address(self) -> str:
        """Of the embedded server that runs here."""
        return f"127.0.0.1:{json.loads((self.state / 'server.json').read_text())['port']}"

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.write_text(text)
        return path

    def popen(self, program: str, *arguments: str, **env: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [sys.executable, str(ROOT / program), *arguments],
            cwd=self.folder,
            env=self.env | env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.running.append(process)
        return process

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        return self.popen("starter.py", *arguments, **env)

    def run(self, *arguments: str, timeout: float = 60, **env: str) -> EndedProcess:
        return end(self.start(*arguments, **env), timeout)

    def worker(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """A worker that serves already."""
        process = self.popen("worker.py", *arguments, **env)
        assert process.stderr
        while "serving task queue" not in (line := process.stderr.readline()):
            assert line, "the worker ended"
        return process

    def temporal(self, *arguments: str, address: str) -> str:
        """What Temporal's own CLI says."""
        command = [str(Path(sys.executable).parent / "temporal"), *arguments, "--address", address]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout

    def processes(self) -> list[psutil.Process]:
        """Every process of this desk, whoever started it."""
        mine = []
        for process in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                if self._is_mine(process):
                    mine.append(process)
        return mine

    def _is_mine(self, process: psutil.Process) -> bool:
        """Ours show no variables to others: they run in the folder, or have the state in their command line."""
        if process.environ().get("TASKFLOW_STATE_DIR") == str(self.state):
            return True
        named = any(word.startswith(f"{self.state}") for word in process.cmdline())
        return named or Path(process.cwd()).is_relative_to(self.folder)

    def brought_worker(self) -> psutil.Process:
        """The worker that a starter has brought along: the parent of its processes."""
        found = [one for one in self.processes() if "--run" in one.cmdline()]
        (worker,) = [one for one in found if one.ppid() not in {each.pid for each in found}]
        return worker

    def kill_all(self) -> None:
        """`kill -9` to starter, worker, supervisor and server alike."""
        while found := [one for one in self.processes() if _lives(one)]:
            for process in found:
                with contextlib.suppress(psutil.Error):
                    process.send_signal(signal.SIGKILL)
            psutil.wait_procs(found, timeout=10)
            for started in self.running:
                started.poll()


def _lives(process: psutil.Process) -> bool:
    try:
        return process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def end(process: subprocess.Popen[str], timeout: float = 60) -> EndedProcess:
    """Wait for the process's end."""
    out, err = process.communicate(timeout=timeout)
    return EndedProcess(process.returncode, out, err)


def _env(folder: Path) -> dict[str, str]:
    names = ("PATH", "HOME", "LANG", "USER", "TERM")
    env = {name: os.environ[name] for name in names if name in os.environ}
    return env | {"TASKFLOW_STATE_DIR": str(folder / "state"), "COLUMNS": "200", "PYTHONWARNINGS": "default"}


@contextlib.contextmanager
def _closing(desk: D) -> Iterator[D]:
    """The desk; nothing that was started there is left at the end."""
    try:
        yield desk
    finally:
        desk.kill_all()
        for process in desk.running:
            process.communicate()


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """No server is configured: the embedded one is used."""
    (tmp_path / "brief.yaml").write_text(BRIEF)
    with _closing(Desk(tmp_path, _env(tmp_path))) as desk:
        yield desk


@pytest.fixture
def remote(desk: Desk, dev_server: DevServer) -> Desk:
    """A desk whose configured server is one that somebody else runs."""
    desk.env["TEMPORAL_ADDRESS"] = dev_server.address
    return desk


@dataclass
class ServedDesk(Desk):
    """A desk in the state directory that all desks of its kind share: server, worker and endpoint are there already.

    Whoever works here does not end what others use. `run_id`: an id for a run, which no other test has.
    """

    endpoint: ScriptedEndpoint = field(default_factory=ScriptedEndpoint)
    run_id: str = field(default_factory=lambda: f"night-{next(_NUMBERS)}")

    def answer(self, rules: list[Reply]) -> ScriptedEndpoint:
        """From now on; what was asked before is forgotten."""
        self.endpoint.restart(rules)
        return self.endpoint

    def listed(self, run_id: str) -> dict[str, Any]:
        """What `list --json` says of one run, among those of other tests."""
        (found,) = [run for run in self.run("list", "--json").json["runs"] if run["id"] == run_id]
        return dict(found)

    def brought_worker(self) -> psutil.Process:
        """The worker that a starter has brought along: the parent of its processes."""
        found = [one for one in self.processes() if "--run" in one.cmdline()]
        (worker,) = [one for one in found if one.ppid() not in {each.pid for each in found}]
        return worker

    def kill_all(self) -> None:
        """Those that were started here, and no others."""
        for process in self.running:
            process.kill()
            process.wait()


@pytest.fixture(scope="session")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServedDesk]:
    """The embedded server with a worker in its own terminal: what every `served` desk shares."""
    folder = tmp_path_factory.mktemp("serving")
    give_own_ports(folder / "state")
    with ScriptedEndpoint() as endpoint, (folder / "worker.log").open("w+") as log:
        env = _env(folder) | {"AI_API_ENDPOINT": endpoint.url, "AI_API_TOKEN": KEY, "SECRET": SECRET}
        worker = subprocess.Popen([sys.executable, str(ROOT / "worker.py")], cwd=folder, env=env, stderr=log)
        until(lambda: "serving task queue" in (folder / "worker.log").read_text() or worker.poll() is not None, 60)
        yield ServedDesk(folder, env, endpoint=endpoint)
        assert worker.poll() is None, "a test has ended the worker of all others"
        Desk(folder, env).kill_all()
        worker.wait()


@pytest.fixture
def served(serving: ServedDesk, tmp_path: Path) -> Iterator[ServedDesk]:
    """A desk for what is not about servers and workers: their starts take longest by far."""
    (tmp_path / "brief.yaml").write_text(BRIEF)
    serving.endpoint.restart([])
    with _closing(ServedDesk(tmp_path, dict(serving.env), endpoint=serving.endpoint)) as desk:
        yield desk


Scripted = Callable[[list[Reply]], ScriptedEndpoint]


@pytest.fixture
def scripted(desk: Desk) -> Iterator[Scripted]:
    """A scripted endpoint, configured at the desk."""
    with contextlib.ExitStack() as stack:

        def start(rules: list[Reply]) -> ScriptedEndpoint:
            endpoint = stack.enter_context(ScriptedEndpoint(rules))
            desk.env |= {"AI_API_ENDPOINT": endpoint.url, "AI_API_TOKEN": KEY}
            return endpoint

        yield start
