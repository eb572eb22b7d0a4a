"""Which process listens on a port. Standard library only: the supervisor loads this.

Where the kernel does not tell, as on macOS, what is asked about is taken to be so.
"""

from contextlib import suppress
from pathlib import Path

_PROC = Path("/proc")
_LISTENING = "0A"


def start_time(pid: int) -> int:
    """Return when the process started, in the kernel's own unit; 0 where there is none, or that is not told."""
    try:
        return int((_PROC / str(pid) / "stat").read_text().rpartition(")")[2].split()[19])
    except (OSError, ValueError, IndexError):
        return 0


def listens(pid: int, port: int) -> bool:
    """Return whether it is this process that listens on that port of 127.0.0.1."""
    try:
        opened = {_target(file) for file in (_PROC / str(pid) / "fd").iterdir()}
        return not opened.isdisjoint(_listening(port))
    except FileNotFoundError:
        return not (_PROC / "self").exists()
    except OSError:  # it does not let itself be looked at
        return True


def _listening(port: int) -> set[str]:
    """Return the sockets that listen there, as links to them read."""
    address = f"0100007F:{port:04X}"  # 127.0.0.1, in the kernel's order of bytes on the machines that we know
    rows = [line.split() for line in (_PROC / "net/tcp").read_text().splitlines()[1:]]
    return {f"socket:[{row[9]}]" for row in rows if row[1] == address and row[3] == _LISTENING}


def _target(file: Path) -> str:
    with suppress(OSError):  # closed by now
        return str(file.readlink())
    return ""
