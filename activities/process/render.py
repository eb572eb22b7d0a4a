"""Templates are untrusted: they render in a child process, with a limit of CPU time and of memory."""

import asyncio
import pickle
import resource
import signal
import struct
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import BinaryIO, ParamSpec, TypeVar, cast

from grammar.errors import TemplateFailed
from temporal_taskflow import launch

P = ParamSpec("P")
T = TypeVar("T")

TIMEOUT = 4.0
"""Seconds of CPU time. On a machine that has much else to do, a template is not to blame for the wall clock."""
WALL_CLOCK_FACTOR = 15
"""After so many times the limit, a child that does not answer at all is given up."""
MEMORY = 450 * 1024**2
# What large values take besides.
SECONDS_PER_BYTE = 0.1 / 1024**2
MEMORY_PER_BYTE = 8
_LENGTH = struct.Struct("!Q")
_READY = b"ready"


class Renderer:
    """Run pure functions over templates in a child process, one at a time. One per worker.

    `timeout`: seconds of CPU time that one call may take.
    """

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._child: asyncio.subprocess.Process | None = None
        self._lock = asyncio.Lock()
        self._busy = False

    async def warm_up(self) -> None:
        """Start the child now, so that the first task does not wait for it."""
        async with self._lock:
            self._child = self._child or await _start()

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `function` returns in the child. Raises TemplateFailed beyond the limits."""
        return await self.sized_for(0)(function, *args, **kwargs)

    def sized_for(self, size: int) -> "LimitedRenderer":
        """Return this renderer with limits for a function that reads values of `size` bytes."""
        return LimitedRenderer(self, self._timeout + size * SECONDS_PER_BYTE, MEMORY + size * MEMORY_PER_BYTE)

    async def execute(self, seconds: float, memory: int, call: tuple[object, ...]) -> object:
        """Have the child execute `call` (a function, its args, its kwargs) within the limits, and return its answer.

        `seconds`: of CPU time; `memory`: in bytes. Raises TemplateFailed beyond them.
        """
        async with self._lock:
            self._child = self._child or await _start()
            try:
                async with asyncio.timeout(seconds * WALL_CLOCK_FACTOR):
                    return await self._send(pickle.dumps((seconds, memory, *call)))
            except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as error:
                raise await self._failed(error, seconds) from None
            finally:
                await self._replace_if_stuck()
                if memory > MEMORY:  # it may not give back what it took
                    await self._end()

    async def close(self) -> None:
        """End the child."""
        async with self._lock:
            await self._end()

    async def _send(self, request: bytes) -> object:
        self._busy = True
        child = self._child
        assert child and child.stdin and child.stdout
        child.stdin.write(_LENGTH.pack(len(request)) + request)
        await child.stdin.drain()
        (length,) = _LENGTH.unpack(await child.stdout.readexactly(_LENGTH.size))
        answer: object = pickle.loads(await child.stdout.readexactly(length))
        self._busy = False
        return answer

    async def _failed(self, error: Exception, seconds: float) -> TemplateFailed:
        """Return the error for a child that does not answer."""
        assert self._child
        if isinstance(error, TimeoutError) or await self._child.wait() == -signal.SIGPROF:
            return TemplateFailed(f"a template took more than {seconds:g} s")
        return TemplateFailed("a template took too much memory")

    async def _replace_if_stuck(self) -> None:
        """End a child that did not answer, or whose answer nobody waited for: it cannot be used again."""
        if self._busy:
            await self._end()

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child and child.returncode is None:
            child.kill()
            await child.wait()


@dataclass(frozen=True)
class LimitedRenderer:
    """Hold a renderer with the limits of one call: seconds of CPU time, bytes of memory."""

    renderer: Renderer
    seconds: float
    memory: int

    async def __call__(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Return what `function` returns in the child. Raises TemplateFailed beyond the limits."""
        answer = await self.renderer.execute(self.seconds, self.memory, (function, args, kwargs))
        if isinstance(answer, Exception):
            raise answer
        return cast(T, answer)


async def _start() -> asyncio.subprocess.Process:
    """Start a child, and return it when it has loaded what it needs."""
    child = await _spawn()
    try:
        assert child.stdout
        await child.stdout.readexactly(len(_READY))
    except BaseException:
        if child.returncode is None:
            child.kill()
        await child.wait()
        raise
    return child


async def _spawn() -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *launch.command("activities.process.render", options=("-W", "ignore::FutureWarning")),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, start_new_session=True, limit=2**20,
        env=launch.bare_environment(),
    )  # fmt: skip


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Serve requests in the child, until the parent's end closes the pipe."""
    import grammar.preparing.preparation  # (so that the first request does not wait for them)
    import grammar.preparing.server_params  # noqa: F401

    answers.write(_READY)
    answers.flush()
    while header := requests.read(_LENGTH.size):
        seconds, memory, function, args, kwargs = pickle.loads(requests.read(_LENGTH.unpack(header)[0]))
        _limit(memory)
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process, in the middle of C code too
        answer = _answer(function, args, kwargs)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(_LENGTH.pack(len(answer)) + answer)
        answers.flush()


def _answer(function: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> bytes:
    try:
        return pickle.dumps(function(*args, **kwargs))
    except MemoryError:
        return pickle.dumps(TemplateFailed("a template took too much memory"))
    except RecursionError:
        return pickle.dumps(TemplateFailed("a template gives what is nested too deeply"))
    except TemplateFailed as error:
        return pickle.dumps(TemplateFailed(str(error)))
    except OSError as error:  # a page that found no room
        return pickle.dumps(error)
    except Exception as error:  # a bug of ours: the parent raises it, and the child goes on
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


def _limit(memory: int) -> None:
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory, resource.RLIM_INFINITY))


def main() -> None:
    """Answer requests from stdin on stdout: the child process."""
    _serve(sys.stdin.buffer, sys.stdout.buffer)
