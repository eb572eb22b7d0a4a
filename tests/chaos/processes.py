"""The processes of one run: server, worker, starter. Any of them can be killed and comes back, but the starter."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

from runtime.local_server.supervisor import free_port
from tests.support.dev_server import DevServer, start
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]


class RunProcesses:
    """Run a server with its database, and workers, in a folder of their own. Use it as a context manager.

    `workers`: how many there are. What is done to one is done to the one that is oldest.
    """

    def __init__(self, folder: Path, endpoint: str, workers: int = 1) -> None:
        self.folder = folder
        self._ports = free_port(0), free_port(0)
        self.server = DevServer(
            f"127.0.0.1:{self._ports[0]}", f"http://localhost:{self._ports[1]}", folder / "temporal.db"
        )
        names = ("PATH", "HOME", "LANG")
        self.env = {name: os.environ[name] for name in names if name in os.environ} | {
            "TEMPORAL_ADDRESS": self.server.address,
            "TASKFLOW_STATE_DIR": str(folder / "state"),
            "TASKFLOW_PAYLOAD_DIR": str(folder / "payloads"),
            "AI_API_ENDPOINT": endpoint,
            "AI_API_TOKEN": "key-of-the-tests",
        }
        self._log = (folder / "worker.log").open("ab")
        self._server: subprocess.Popen[bytes] | None = None
        self._workers: list[subprocess.Popen[bytes]] = []
        self._starters: list[subprocess.Popen[bytes]] = []
        self._count = workers

    def __enter__(self) -> "RunProcesses":
        self.start_server()
        for _ in range(self._count):
            self.start_worker()
        return self

    def __exit__(self, *_: object) -> None:
        for process in (*self._starters, *self._workers, self._server):
            if process:
                process.kill()
                process.communicate()
        self._log.close()

    def start_server(self) -> None:
        self._server = start(self.server, *self._ports)

    def start_worker(self) -> None:
        command = [sys.executable, str(ROOT / "worker.py"), "--graceful-shutdown-timeout", "5", "--processes", "2"]
        process = subprocess.Popen(command, cwd=self.folder, env=self.env, stdout=self._log, stderr=self._log)
        self._workers.append(process)

    def starter(self, *words: str) -> subprocess.Popen[bytes]:
        command = [sys.executable, str(ROOT / "starter.py"), *words, "--json"]
        with (self.folder / "result.json").open("wb") as out, (self.folder / "starter.log").open("wb") as err:
            process = subprocess.Popen(command, cwd=self.folder, env=self.env, stdout=out, stderr=err)
        self._starters.append(process)
        return process

    def temporal(self, *arguments: str) -> list[str]:
        """Return a command line of Temporal's own CLI, for this server."""
        binary = str(Path(sysconfig.get_path("scripts")) / "temporal")
        return [binary, *arguments, "--address", self.server.address]

    def has_run(self, run_id: str) -> bool:
        """Return whether the run has been started."""
        command = self.temporal("workflow", "describe", "-w", run_id)
        return subprocess.run(command, env=self.env, capture_output=True, timeout=30, check=False).returncode == 0

    def result(self) -> dict[str, Any]:
        found: dict[str, Any] = json.loads((self.folder / "result.json").read_text())
        return found

    def kill_server(self) -> None:
        assert self._server
        self._server.kill()
        self._server.communicate()

    def kill_worker(self) -> None:
        worker = self._workers.pop(0)
        worker.kill()
        worker.communicate()

    def restart_ended_workers(self) -> None:
        """Start those anew that have ended, as an orchestrator does: who finds no server at its start does not wait."""
        ended = [worker for worker in self._workers if worker.poll() is not None]
        self._workers = [worker for worker in self._workers if worker not in ended]
        for _ in ended:
            self.start_worker()

    def stop_worker(self) -> None:
        """Stop the worker by SIGTERM, as an orchestrator does."""
        worker = self._workers.pop(0)
        worker.send_signal(signal.SIGTERM)
        worker.communicate(timeout=60)

    def kill_member(self, of_workflows: bool) -> None:
        """Kill the worker's process for workflow tasks, or one of those for activities; its parent replaces it."""
        for member in psutil.Process(self._workers[0].pid).children():
            with contextlib.suppress(psutil.Error):
                if bool(member.children()) != of_workflows:  # activities have a guardian
                    member.kill()
                    return

    def kill_mcp_server(self) -> None:
        """Kill one of the MCP servers that the worker started, if there is one."""
        self._kill_first(lambda process: True)

    def kill_template(self) -> None:
        """Kill a process that MCP servers are forked from, if there is one."""
        self._kill_first(lambda process: "guardian.program" in " ".join(_parent(process).cmdline()))

    def _kill_first(self, is_meant: Callable[[psutil.Process], bool]) -> None:
        for child in psutil.Process(self._workers[0].pid).children(recursive=True):
            with contextlib.suppress(psutil.Error):  # it, or its parent, has ended
                if "mcp_server.py" in " ".join(child.cmdline()) and is_meant(child):
                    child.kill()
                    return

    def wait_for_server(self) -> None:
        until(lambda: _listens(self._ports[0]), 30)


def _parent(process: psutil.Process) -> psutil.Process:
    """Raises NoSuchProcess where it has ended."""
    if parent := process.parent():
        return parent
    raise psutil.NoSuchProcess(process.pid)


def _listens(port: int) -> bool:
    import socket

    with socket.socket() as connecting:
        return connecting.connect_ex(("127.0.0.1", port)) == 0


def let_time_pass(seconds: float) -> None:
    """Sleep: a schedule of faults is about nothing else."""
    time.sleep(seconds)
