"""The pipes between the worker and a process that the guardian starts for it."""

import asyncio
import os
import subprocess
from contextlib import ExitStack
from typing import IO, NamedTuple

NOTHING = subprocess.DEVNULL
"""In place of a descriptor: nothing to read, and nobody who reads."""


class Streams(NamedTuple):
    """What a process gets as stdin, stdout and stderr: descriptors, or NOTHING; None: a pipe."""

    stdin: int | None = None
    stdout: int | None = None
    stderr: int | None = None


class Pipes:
    """Hold the pipes to one process: `stdin`, `stdout`, `stderr`, each once connected; None: it has another stream.

    `theirs`: the descriptors that the process gets. Close them once it has them.
    """

    def __init__(self, streams: Streams) -> None:
        self.stdin: asyncio.StreamWriter | None = None
        self.stdout: asyncio.StreamReader | None = None
        self.stderr: asyncio.StreamReader | None = None
        self._ours = ExitStack()
        self._theirs = ExitStack()
        self._files: dict[str, IO[bytes]] = {}
        self.theirs = [self._end(name, given) for name, given in streams._asdict().items()]

    async def connect(self) -> None:
        """Make asyncio streams of our ends."""
        if stdin := self._files.get("stdin"):
            self.stdin = await self._writer(stdin)
        if stdout := self._files.get("stdout"):
            self.stdout = await self._reader(stdout)
        if stderr := self._files.get("stderr"):
            self.stderr = await self._reader(stderr)

    def close_theirs(self) -> None:
        """Close the ends that the process has."""
        self._theirs.close()

    def close(self) -> None:
        """Close our ends. May be called again."""
        self._ours.close()

    def _end(self, name: str, given: int | None) -> int:
        """The descriptor that the process gets."""
        if given is not None and given != NOTHING:
            return given
        theirs = os.open(os.devnull, os.O_RDWR) if given == NOTHING else self._make(name)
        self._theirs.callback(os.close, theirs)
        return theirs

    def _make(self, name: str) -> int:
        """Make a pipe, and return the process's end."""
        read, write = os.pipe()
        ours, theirs = (write, read) if name == "stdin" else (read, write)
        self._files[name] = self._ours.enter_context(os.fdopen(ours, "wb" if name == "stdin" else "rb", 0))
        return theirs

    async def _reader(self, file: IO[bytes]) -> asyncio.StreamReader:
        reader = asyncio.StreamReader()
        loop = asyncio.get_running_loop()
        transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
        self._ours.callback(transport.close)
        return reader

    async def _writer(self, file: IO[bytes]) -> asyncio.StreamWriter:
        loop = asyncio.get_running_loop()
        transport, protocol = await loop.connect_write_pipe(
            lambda: asyncio.StreamReaderProtocol(asyncio.StreamReader()), file
        )
        self._ours.callback(_abort, transport)
        return asyncio.StreamWriter(transport, protocol, None, loop)


def _abort(transport: asyncio.WriteTransport) -> None:
    """Close it, whatever is still to be written; asyncio refuses that of one that is closed."""
    if not transport.is_closing() or transport.get_write_buffer_size():
        transport.abort()
