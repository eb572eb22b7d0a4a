"""The guardian, as the worker has it: one for the whole process, there from the first start on."""

import os
import socket
import subprocess
import threading
from collections.abc import Sequence

from temporal_taskflow import launch

# What Python itself may need to start: no key is among it.
NEEDED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")


class GuardianClient:
    """Ask the guardian for wardens; it is started when it is needed, and again where it was lost."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._asking: socket.socket | None = None

    def warm_up(self) -> None:
        """Start the guardian now, so that the first script does not wait for it."""
        with self._lock:
            self._asking = self._asking or _start()

    def warden(self, streams: Sequence[int]) -> socket.socket:
        """Return the socket of a new warden, whose process gets these three streams. Raises OSError."""
        ours, theirs = socket.socketpair()
        with theirs, self._lock:
            descriptors = [theirs.fileno(), *streams]
            try:
                self._asking = self._asking or _start()
                socket.send_fds(self._asking, [b"!"], descriptors)
            except (BrokenPipeError, ConnectionResetError):  # it was killed
                self._asking = _start()
                socket.send_fds(self._asking, [b"!"], descriptors)
        return ours


def _start() -> socket.socket:
    """Start a guardian, and return the socket on which it is asked. Its end is the guardian's."""
    ours, theirs = socket.socketpair()
    with theirs:
        guardian = subprocess.Popen(
            launch.command("activities.guardian.program", options=("-I", "-S")),
            stdin=theirs.fileno(), stdout=subprocess.DEVNULL, start_new_session=True, cwd=os.sep,
            env={name: os.environ[name] for name in NEEDED if name in os.environ},
        )  # fmt: skip
    threading.Thread(target=guardian.wait, name="guardian-exit", daemon=True).start()
    return ours


GUARDIAN = GuardianClient()
"""The guardian of this process."""
