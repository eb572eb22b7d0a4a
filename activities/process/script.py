"""A bash script: started, read, and what it leaves behind (specification section 6)."""

import asyncio
import errno
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from activities.guardian.guarded_process import GuardedProcess
from activities.process.stdout import Stdout
from activities.process.transcript import Transcript
from activities.sandbox.sandboxes import check_begun
from grammar.errors import ShellFailed

# Bytes, of each stream.
TAIL = 8_000
# Seconds that its output is read on, once the script has ended, while something in the background holds it.
HELD = 5.0
TOO_LONG = "the script, or a value of `env`, is too long; have the script read a file"
STILL_HELD = (
    f"what the script left in the background still held its output {HELD:g} s after it had ended, and was not waited "
    "for; to detach it: `command >/dev/null 2>&1 &`"
)


@dataclass(frozen=True)
class ScriptResult:
    """How a script ended. `code`: its exit code; negative: the signal that ended it.

    `tail`: the end of what it wrote, to either stream, as it came. `process`: what holds all that it has left running;
    None: there is nothing. `was_held`: whether something else still held its output. `breach`: the limit of its sandbox
    for which it was ended; None: for none.
    """

    code: int
    tail: str
    process: GuardedProcess | None = None
    was_held: bool = False
    breach: str | None = None


async def run_script(starting: Awaitable[GuardedProcess], stdout: Stdout, transcript: Transcript) -> ScriptResult:
    """Run the script that is being started. Raises ShellFailed, and SandboxRefused where it has run in no sandbox.

    What it leaves behind ends with it where it fails or is cancelled.
    """
    process = await _started(starting)
    tail = OutputTail(TAIL)

    def take(data: bytes) -> None:
        tail.write("stdout", data)
        transcript.stream(stdout.write(data))

    is_done = False
    try:
        reading = asyncio.gather(
            _read_pipe(process.stdout, take), _read_pipe(process.stderr, lambda data: tail.write("stderr", data))
        )
        was_held = await _is_held(reading, process)
        stdout.finish()
        code = await process.wait()
        check_begun(process, tail.text())
        is_done = code == 0
        return ScriptResult(code, tail.text(), process if process.is_left else None, was_held, process.breach)
    finally:
        if not is_done:
            await process.end()
        process.close()


class OutputTail:
    """Keep the end of what is written to several streams: the last `size` bytes of each, in the order they came."""

    def __init__(self, size: int) -> None:
        self._size = size
        self._pieces: list[tuple[str, bytes]] = []

    def write(self, stream: str, data: bytes) -> None:
        """Add the bytes, and drop the oldest of the stream beyond the size."""
        if self._pieces and self._pieces[-1][0] == stream:
            data = self._pieces.pop()[1] + data
        excess = sum(len(piece) for name, piece in self._pieces if name == stream) + len(data) - self._size
        kept = []
        for name, piece in [*self._pieces, (stream, data)]:
            dropped = min(max(excess, 0), len(piece)) if name == stream else 0
            excess -= dropped
            if dropped < len(piece):
                kept.append((name, piece[dropped:]))
        self._pieces = kept

    def text(self) -> str:
        """Return the bytes kept, as text; what is not UTF-8 is replaced."""
        return b"".join(piece for _, piece in self._pieces).decode(errors="replace")


async def _is_held(reading: asyncio.Future[Any], process: GuardedProcess) -> bool:
    """Read to the end, at most until HELD seconds after the script has ended; return whether there is more."""
    given_up = asyncio.create_task(_after_end(process))
    try:
        waited: set[asyncio.Future[Any]] = {reading, given_up}
        await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        if reading.done():
            reading.result()
            return False
        return True
    finally:
        given_up.cancel()
        reading.cancel()


async def _after_end(process: GuardedProcess) -> None:
    await process.wait()
    await asyncio.sleep(HELD)


async def _started(starting: Awaitable[GuardedProcess]) -> GuardedProcess:
    """Return the script's process. Raises ShellFailed."""
    try:
        return await starting
    except ValueError as error:  # a NUL
        raise ShellFailed(f"bash could not be started: the script, or a value of `env`: {error}") from None
    except OSError as error:
        # Linux takes 128 KiB for each argument and each variable.
        why = TOO_LONG if error.errno == errno.E2BIG else str(error.strerror)
        raise ShellFailed(f"bash could not be started: {why}") from None


async def _read_pipe(pipe: asyncio.StreamReader | None, take: Callable[[bytes], None]) -> None:
    assert pipe is not None
    while chunk := await pipe.read(65_536):
        take(chunk)
