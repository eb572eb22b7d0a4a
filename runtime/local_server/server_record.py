"""What is known about the running embedded server: one file, written by its supervisor.

Standard library only: the supervisor loads this.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from runtime.local_server.server_process import listens, start_time


@dataclass(frozen=True)
class ServerFiles:
    """Name the embedded server's files in a state directory. None of them need be there."""

    state: Path

    @property
    def database(self) -> Path:
        """Return the path of Temporal's SQLite database; `-wal` and `-shm` files lie beside it."""
        return self.state / "temporal.db"

    @property
    def log(self) -> Path:
        """Return the path of what the server and its supervisor print."""
        return self.state / "server.log"

    @property
    def record(self) -> Path:
        """Return the path of the present ServerRecord; there while the server answers."""
        return self.state / "server.json"

    @property
    def lease(self) -> Path:
        """Return the lock that all who use the server share; the supervisor waits for it exclusively."""
        return self.state / "lease.lock"

    @property
    def supervisor(self) -> Path:
        """Return the lock that the one supervisor holds; `keeper` is its old name, under which one may still run."""
        return self.state / "keeper.lock"

    @property
    def start(self) -> Path:
        """Return the lock held to find the supervisor, or to start one; so `record` is the present supervisor's."""
        return self.state / "start.lock"

    @property
    def ui(self) -> Path:
        """Return the lock that all who want the Web UI share."""
        return self.state / "ui.lock"

    @property
    def owner(self) -> Path:
        """Return the lock held by whoever has the database open, the server included; its text is that pid."""
        return self.state / "database.lock"


@dataclass(frozen=True)
class ServerRecord:
    """A server that answers, or did: process ids, and ports on 127.0.0.1.

    `ui_port` 0: nobody has asked for the Web UI. `ui_token`: what lets people into it; empty: an older supervisor's
    asks for none. `started`: when the server's process did, as `start_time` tells it; 0: not known. `codec_port`:
    of the codec server; 0: there is none.
    """

    pid: int
    supervisor_pid: int
    port: int
    ui_port: int
    ui_token: str = ""
    started: int = 0
    codec_port: int = 0

    @property
    def address(self) -> str:
        """Return where the server answers gRPC, as `host:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str:
        """Return the URL of the Web UI; empty where there is none.

        By its number: another user of this machine may have `localhost` in IPv6.
        """
        return f"http://127.0.0.1:{self.ui_port}" if self.ui_port else ""

    def is_there(self) -> bool:
        """Return whether that process still is the one that listens on that port, as far as can be told."""
        return self.started in (0, start_time(self.pid)) and listens(self.pid, self.port)

    @property
    def codec_url(self) -> str | None:
        """Return the URL of the codec server; None where there is none."""
        return f"http://127.0.0.1:{self.codec_port}" if self.codec_port else None

    def write(self, path: Path) -> None:
        """Write the record to the file. Readers see the old one or the new one, whole."""
        fields = asdict(self) | {"address": self.address, "ui_url": self.ui_url}
        unfinished = path.with_suffix(".tmp")
        unfinished.touch(0o600)
        unfinished.write_text(json.dumps(fields))
        unfinished.replace(path)

    @staticmethod
    def read(path: Path) -> "ServerRecord | None":
        """Return the record in the file; None where there is none, or an unreadable one."""
        try:
            fields = json.loads(path.read_text())
            older = {"supervisor_pid": fields["keeper_pid"]} if "keeper_pid" in fields else {}
            known = {"ui_token": "", "started": 0, "codec_port": 0} | fields | older
            names = ("pid", "supervisor_pid", "port", "ui_port", "started", "codec_port")
            numbers = {name: int(known[name]) for name in names}
            return ServerRecord(**numbers, ui_token=str(known["ui_token"]))
        except (OSError, ValueError, KeyError, TypeError):
            return None
