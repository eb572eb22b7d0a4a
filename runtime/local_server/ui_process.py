"""The process that lets people, and nothing else, into the Web UI of the embedded server (ui_front.py).

Standard library only: the supervisor loads this.
"""

import secrets
import socket
import subprocess

from temporal_taskflow import launch

UNREACHABLE = (6665, 6666, 6667, 6668, 6669, 6679, 6697, 6566, 10080, 4190, 1719, 1720, 1723)
"""Ports that no browser opens (https://fetch.spec.whatwg.org/#port-blocking), so that no web page reaches them."""


class UiProcess:
    """Run the front of the Web UI. `port`: used where it is free; otherwise any free port. 0 while it does not run.

    `inner_port`: where the server's own UI is to listen, for the front alone; 0: nowhere. `token`: what lets people in.
    """

    def __init__(self, port: int) -> None:
        self._preferred = port
        self.port = self.inner_port = 0
        self.token = ""
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, log: int) -> None:
        """Start the process, which listens from this moment on. What it prints goes to the descriptor `log`."""
        self.inner_port = next(filter(_is_free, UNREACHABLE), 0)
        if not self.inner_port:
            return
        self.token = self.token or secrets.token_urlsafe(16)
        with _listener(self._preferred) as listener:
            self.port = self._preferred = int(listener.getsockname()[1])
            arguments = (str(listener.fileno()), str(self.inner_port))
            self._process = subprocess.Popen(
                launch.command("runtime.local_server.ui_front", *arguments, options=("-I",)),
                env=launch.bare_environment(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                pass_fds=[listener.fileno()],
            )
        assert self._process.stdin is not None
        self._process.stdin.write(f"{self.token}\n".encode())  # others can read its arguments
        self._process.stdin.flush()

    def stop(self) -> None:
        """End the process."""
        self.port = self.inner_port = 0
        if self._process:
            self._process.kill()
            self._process.communicate()
            self._process = None


def _listener(preferred: int) -> socket.socket:
    try:
        return socket.create_server(("127.0.0.1", preferred))
    except OSError:
        return socket.create_server(("127.0.0.1", 0))


def _is_free(port: int) -> bool:
    try:
        socket.create_server(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
