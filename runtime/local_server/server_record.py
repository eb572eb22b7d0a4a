"""What is known about the running embedded server: one file, written by its supervisor.

Standard library only: the supervisor loads this.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


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
    def owner(self) -> Path:
        """Return the lock held by whoever has the database open, the server included; its text is that pid."""
        return self.state / "database.lock"


@dataclass(frozen=True)
class ServerRecord:
    """A server that answers, or did: process ids, and ports on 127.0.0.1."""

    pid: int
    supervisor_pid: int
    port: int
    ui_port: int
    codec_port: int = 0
    """Of the codec server; 0: there is none."""

    @property
    def address(self) -> str:
        """Return where the server answers gRPC, as `host:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str:
        """Return the URL of the Web UI."""
        return f"http://localhost:{self.ui_port}"

    @property
    def codec_url(self) -> str | None:
        """Return the URL of the codec server; None where there is none."""
        return f"http://127.0.0.1:{self.codec_port}" if self.codec_port else None

    def write(self, path: Path) -> None:
        """Write the record to the file. Readers see the old one or the new one, whole."""
        fields = asdict(self) | {"address": self.address, "ui_url": self.ui_url}
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(json.dumps(fields))
        unfinished.replace(path)

    @staticmethod
    def read(path: Path) -> "ServerRecord | None":
        """Return the record in the file; None where there is none, or an unreadable one."""
        try:
            fields = json.loads(path.read_text())
            older = {"supervisor_pid": fields["keeper_pid"]} if "keeper_pid" in fields else {}
            names = ("pid", "supervisor_pid", "port", "ui_port", "codec_port")
            return ServerRecord(*(int(({"codec_port": 0} | fields | older)[name]) for name in names))
        except (OSError, ValueError, KeyError, TypeError):
            return None
