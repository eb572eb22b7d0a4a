"""What is known about the running embedded server: one file, written by its keeper.

Standard library only: the keeper loads this.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class ServerFiles:
    """The embedded server's files in a state directory."""

    state: Path

    @property
    def database(self) -> Path:
        """Temporal's SQLite database; with `-wal` and `-shm` beside it."""
        return self.state / "temporal.db"

    @property
    def log(self) -> Path:
        """What the server and the keeper print."""
        return self.state / "server.log"

    @property
    def record(self) -> Path:
        """The present Record; there while the server answers."""
        return self.state / "server.json"

    @property
    def lease(self) -> Path:
        """Lock: shared by all who use the server; the keeper waits for it exclusively."""
        return self.state / "lease.lock"

    @property
    def keeper(self) -> Path:
        """Lock: held by the one keeper."""
        return self.state / "keeper.lock"

    @property
    def start(self) -> Path:
        """Lock: held to look for the keeper, or to start one; so `record` is the present keeper's."""
        return self.state / "start.lock"

    @property
    def owner(self) -> Path:
        """Lock: held by whoever has the database open, the server process included; its text is that pid."""
        return self.state / "database.lock"


@dataclass(frozen=True)
class ServerRecord:
    """A server that answers, or did: process ids and ports on 127.0.0.1."""

    pid: int
    keeper_pid: int
    port: int
    ui_port: int

    @property
    def address(self) -> str:
        """gRPC, `host:port`."""
        return f"127.0.0.1:{self.port}"

    @property
    def ui_url(self) -> str:
        """The Web UI."""
        return f"http://localhost:{self.ui_port}"

    def write(self, path: Path) -> None:
        """Readers see the old record or the new one, whole."""
        shown = asdict(self) | {"address": self.address, "ui_url": self.ui_url}
        unfinished = path.with_suffix(".tmp")
        unfinished.write_text(json.dumps(shown))
        unfinished.replace(path)

    @staticmethod
    def read(path: Path) -> "ServerRecord | None":
        """None where there is none."""
        try:
            known = json.loads(path.read_text())
            return ServerRecord(*(int(known[name]) for name in ("pid", "keeper_pid", "port", "ui_port")))
        except (OSError, ValueError, KeyError, TypeError):
            return None
