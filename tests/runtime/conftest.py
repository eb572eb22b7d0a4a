"""Processes that use the embedded server, in a state directory of the test's own."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any

import pytest

from runtime.local_server.locks import is_held
from runtime.local_server.server_record import ServerFiles
from tests.support.ports import give_own_ports
from tests.support.waiting import until

ROOT = Path(__file__).parents[2]


class Holder:
    """A process with a lease; see tests/support/lease_holder.py."""

    def __init__(self, state: Path, python: str = sys.executable, **env: str) -> None:
        self._process = subprocess.Popen(
            [python, ROOT / "tests/support/lease_holder.py"],
            env=os.environ | {"PYTHONPATH": str(ROOT), "TASKFLOW_STATE_DIR": str(state)} | env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        self.pid = self._process.pid

    @cached_property
    def got(self) -> dict[str, Any]:
        """What it holds: address, ui_url, pid, supervisor_pid, port, ui_port; or error. Waits for it."""
        assert self._process.stdout is not None
        return dict(json.loads(self._process.stdout.readline()))

    def leave(self) -> int:
        self._process.communicate()
        return self._process.returncode

    def kill(self) -> None:
        self._process.kill()
        self.leave()


@pytest.fixture
def state(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A state directory; at the end, its server must end by itself."""
    path = tmp_path / "state"
    give_own_ports(path)
    monkeypatch.setenv("TASKFLOW_STATE_DIR", str(path))
    yield path
    until(lambda: not is_held(ServerFiles(path).supervisor))


@pytest.fixture
def holder(state: Path) -> Iterator[Callable[..., Holder]]:
    """Starts holders; ends those that the test leaves."""
    started: list[Holder] = []

    def start(**options: str) -> Holder:
        started.append(Holder(state, **options))
        return started[-1]

    yield start
    for process in started:
        process.kill()
