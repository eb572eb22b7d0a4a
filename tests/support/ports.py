"""The ports of embedded servers, which tests side by side would take from each other."""

import time
from pathlib import Path

import pytest

from runtime.local_server.server_record import ServerFiles, ServerRecord
from runtime.local_server.supervisor import PORT, free_port


def give_own_ports(state: Path) -> None:
    """Make the state directory, whose server has ports of its own, as if a supervisor had been killed."""
    state.mkdir(mode=0o700)
    ServerRecord(pid=0, supervisor_pid=0, port=free_port(0), ui_port=free_port(0)).write(ServerFiles(state).record)


def wait_for_usual_port(seconds: float = 15) -> None:
    """Return once the server of another test has left the usual port; skip the test where it is somebody else's.

    Whoever comes first has the port then.
    """
    deadline = time.monotonic() + seconds
    while free_port(PORT) != PORT:
        if time.monotonic() > deadline:
            pytest.skip(f"port {PORT} is in use")
        time.sleep(0.05)
