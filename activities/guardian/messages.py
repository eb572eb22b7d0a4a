"""What the worker asks of a warden, and what a warden tells it.

Standard library only: the guardian's processes load this.
"""

import json
import socket
import struct
from typing import NamedTuple


class SandboxLimits(NamedTuple):
    """How much the processes of a sandbox may take together; None: as much as they do."""

    memory: int
    """Bytes."""
    processes: int
    """Processes and threads, at once."""
    cpu: float | None
    """Seconds of CPU time, those of processes that have ended included."""
    disk: int
    """Bytes that are written to disk."""


class Fence(NamedTuple):
    """What a start in a sandbox needs besides: the program of the request is bubblewrap, which is given descriptors."""

    limits: SandboxLimits
    """How much its processes may take."""
    system_calls: str
    """The filter of system calls, in hex, as FILTER."""
    folders: list[tuple[str, str]]
    """Folders, and paths below each that lead through no symbolic link: as descriptors from FIRST_PATH on."""
    has_proxy: bool
    """Whether it gets a network of its own, with a socket on PROXY_PORT that the worker listens on."""


# The descriptors of bubblewrap: where it tells how it stands, the filter, what holds it until its limits are set.
STATUS, FILTER, HOLD, FIRST_PATH = range(3, 7)
PROXY_PORT = 3128


class StartRequest(NamedTuple):
    """Asks for one process. The streams that it gets go along as file descriptors."""

    argv: list[str]
    """The program and its arguments; the program is looked up in `env`'s PATH."""
    env: dict[str, str]
    """All its variables."""
    folder: str | None = None
    """Where it runs; None: where the worker does."""
    fence: Fence | None = None
    """What belongs to its sandbox; None: it has none."""


class Report(NamedTuple):
    """Tells of one process: that it runs, or could not be started; then how it ended.

    That nothing of it is left is told by the end of the stream.
    """

    pid: int | None = None
    """It runs, under this id."""
    refused: int | None = None
    """It could not be started: the `errno`."""
    path: str = ""
    """With `refused`: the file that is to blame; empty: the program."""
    code: int | None = None
    """It has ended, with this code; negative: by this signal."""
    is_left: bool = False
    """With `code`: whether something that it started goes on."""
    is_sandboxed: bool = True
    """With `code`: False where no sandbox could be made, and so nothing was run."""
    breach: str | None = None
    """With `code`: the limit for which it was ended; None: for none."""


END = b"!"
"""Asks a warden to end what it holds."""
LISTENING = b"+"
"""Comes from a warden with the socket of PROXY_PORT, ahead of its reports."""

_LENGTH = struct.Struct("!Q")


def encode_request(request: StartRequest) -> bytes:
    """Return the request as it is sent."""
    text = json.dumps(request).encode()
    return _LENGTH.pack(len(text)) + text


def receive_request(worker: socket.socket) -> StartRequest | None:
    """Return the request that comes on the socket, and read no further; None where it ends before that."""
    header = worker.recv(_LENGTH.size, socket.MSG_WAITALL)
    if len(header) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(header)
    text = worker.recv(length, socket.MSG_WAITALL)
    if len(text) < length:
        return None
    request = StartRequest(*json.loads(text))
    if request.fence:
        fence = Fence(*request.fence)
        request = request._replace(fence=fence._replace(limits=SandboxLimits(*fence.limits)))
    return request


def encode_report(report: Report) -> bytes:
    """Return the report as a line."""
    return json.dumps(report).encode() + b"\n"


def decode_report(line: bytes) -> Report:
    """Return the report that a line holds."""
    return Report(*json.loads(line))
