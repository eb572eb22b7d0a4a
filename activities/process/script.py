"""A bash script in a process group of its own: started, read, and what it leaves behind (specification section 6)."""

import asyncio
import errno
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from activities.process.process_group import end_group
from activities.process.stdout import Stdout
from activities.process.transcript import Transcript
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

    `tail`: the end of what it wrote, to either stream, as it came. `group`: its process group, which may go on; None
    where nothing was run. `was_held`: whether something else still held its output.
    """

    code: int
    tail: str
    group: int | None = None
    was_held: bool = False


async def run_script(
    script: str, env: Mapping[str, str], folder: str | None, stdout: Stdout, transcript: Transcript
) -> ScriptResult:
    """Run the script, in the folder; None: in the worker's own. Raises ShellFailed.

    What it leaves behind ends with it where it fails or is cancelled.
    """
    process = await _start(script, env, folder)
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
        is_done = code == 0
        return ScriptResult(code, tail.text(), process.pid, was_held)
    finally:
        if not is_done:
            await end_group(process)
        _close_pipes(process)


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


async def _is_held(reading: asyncio.Future[Any], process: asyncio.subprocess.Process) -> bool:
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


async def _after_end(process: asyncio.subprocess.Process) -> None:
    while process.returncode is None:  # noqa: ASYNC110  (`wait` waits for the pipes too, in some versions of Python)
        await asyncio.sleep(0.1)
    await asyncio.sleep(HELD)


def _close_pipes(process: asyncio.subprocess.Process) -> None:
    """Close our ends of the pipes: what writes to them later is told so."""
    if process.returncode is not None:
        process._transport.close()  # type: ignore[attr-defined]


async def _start(script: str, env: Mapping[str, str], folder: str | None) -> asyncio.subprocess.Process:
    """Start the script. Raises ShellFailed."""
    try:
        return await asyncio.create_subprocess_exec(
            "bash", "-c", script,
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
            env=env, cwd=folder, start_new_session=True,
        )  # fmt: skip
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
