"""The three standard streams, as whoever started the process left them: open, closed, or with no reader."""

import errno
import io
import os
import sys
from pathlib import Path
from typing import TextIO, cast

from grammar.errors import UserError
from grammar.exit_codes import ExitCode

_READER_GONE = (errno.EPIPE, errno.EIO)


def prepare() -> None:
    """Make stdin, stdout and stderr usable, whatever they are; to be called before anything is opened or printed.

    A closed one is `/dev/null`: its number must not become that of a database or a lock. What nobody reads any more is
    dropped, so that the exit code is that of the work. Signs that the encoding lacks are replaced.
    """
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        stream = getattr(sys, name)
        if stream is None:
            setattr(sys, name, _null(mode))
        elif mode == "w" and isinstance(stream, io.TextIOWrapper):
            setattr(sys, name, _kept_open(stream))


def _null(mode: str) -> TextIO:
    """Open `/dev/null`, which gets the lowest number that is free; children inherit it."""
    null = Path(os.devnull).open(mode, encoding="utf-8")  # noqa: SIM115 (for as long as the process lives)
    os.set_inheritable(null.fileno(), True)
    return cast(TextIO, null)


def _kept_open(stream: io.TextIOWrapper) -> io.TextIOWrapper:
    stream.flush()
    raw = _Descriptor(stream.fileno(), "w", closefd=False)
    buffer = io.BufferedWriter(cast(io.RawIOBase, raw))
    return io.TextIOWrapper(
        buffer, stream.encoding, "replace", line_buffering=stream.line_buffering, write_through=stream.write_through
    )


class _OutputFailed(UserError):
    """Stdout did not take a result. What was asked for may have been done all the same."""

    exit_code = ExitCode.FAILED


class _Descriptor(io.FileIO):
    """What cannot be written is dropped from then on; that a result is lost is told, once."""

    def write(self, data: "bytes | memoryview") -> int:  # type: ignore[override]
        try:
            return super().write(data) or 0
        except BlockingIOError:
            raise
        except OSError as error:
            null = os.open(os.devnull, os.O_WRONLY)
            os.dup2(null, self.fileno())
            os.close(null)
            if self.fileno() == 1 and error.errno not in _READER_GONE:
                raise _OutputFailed(f"stdout cannot be written to: {error.strerror}") from error
            return len(data)
