"""Templates are untrusted: they render in a process of their own, with a limit of computing time and of memory."""

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
# The limit is of computing time: on a machine that has much else to do, a template is not to blame. This is for a
# child that does not answer at all, in multiples of the limit.
PATIENCE = 15
MEMORY = 450 * 1024**2
# What large values take besides: seconds a byte, and bytes a byte.
TIME_OF_VALUES = 0.1 / 1024**2
MEMORY_OF_VALUES = 8
_LENGTH = struct.Struct("!Q")
_READY = b"ready"


class Renderer:
    """Runs pure functions over templates in a child process, one at a time. One renderer per worker."""

    def __init__(self, timeout: float = TIMEOUT) -> None:
        self._timeout = timeout
        self._child: asyncio.subprocess.Process | None = None
        self._one_at_a_time = asyncio.Lock()
        self._busy = False

    async def warm_up(self) -> None:
        """Start the process now, so that the first task does not wait for it."""
        async with self._one_at_a_time:
            self._child = self._child or await _start()

    async def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work`. Raises TemplateFailed where it takes too long or too much memory."""
        return await self.over(0)(work, *args, **kwargs)

    def over(self, size: int) -> "Limited":
        """The same for work that reads values of so many bytes, which the limits then allow for."""
        return Limited(self, self._timeout + size * TIME_OF_VALUES, MEMORY + size * MEMORY_OF_VALUES)

    async def answer(self, seconds: float, memory: int, request: tuple[object, ...]) -> object:
        """What the child answers."""
        async with self._one_at_a_time:
            self._child = self._child or await _start()
            try:
                async with asyncio.timeout(seconds * PATIENCE):
                    return await self._ask(pickle.dumps((seconds, memory, *request)))
            except (TimeoutError, asyncio.IncompleteReadError, ConnectionError) as error:
                raise await self._failed(error, seconds) from None
            finally:
                await self._replace_if_stuck()
                if memory > MEMORY:  # it may not give back what it took
                    await self._end()

    async def close(self) -> None:
        """End the process."""
        async with self._one_at_a_time:
            await self._end()

    async def _ask(self, request: bytes) -> object:
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
        """Why the child does not answer."""
        assert self._child
        if isinstance(error, TimeoutError) or await self._child.wait() == -signal.SIGPROF:
            return TemplateFailed(f"a template took more than {seconds:g} s")
        return TemplateFailed("a template took too much memory")

    async def _replace_if_stuck(self) -> None:
        """A child that did not answer, or whose answer nobody waited for, cannot be asked again."""
        if self._busy:
            await self._end()

    async def _end(self) -> None:
        child, self._child = self._child, None
        if child and child.returncode is None:
            child.kill()
            await child.wait()


@dataclass(frozen=True)
class Limited:
    """The renderer with the limits that the work at hand needs."""

    renderer: Renderer
    seconds: float
    memory: int

    async def __call__(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """The result of `work`. Raises TemplateFailed where it takes too long or too much memory."""
        answer = await self.renderer.answer(self.seconds, self.memory, (work, args, kwargs))
        if isinstance(answer, Exception):
            raise answer
        return cast(T, answer)


async def _start() -> asyncio.subprocess.Process:
    """A child that has loaded what it needs."""
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
    )  # fmt: skip


def _serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """The child: ends with its parent, whose end closes the pipe."""
    import grammar.preparing.preparation  # (so that the first request does not wait for them)
    import grammar.preparing.server_params  # noqa: F401

    answers.write(_READY)
    answers.flush()
    while header := requests.read(_LENGTH.size):
        seconds, memory, work, args, kwargs = pickle.loads(requests.read(_LENGTH.unpack(header)[0]))
        _limit(memory)
        signal.setitimer(signal.ITIMER_PROF, seconds)  # its signal ends the process, in the middle of C code too
        answer = _answer(work, args, kwargs)
        signal.setitimer(signal.ITIMER_PROF, 0)
        answers.write(_LENGTH.pack(len(answer)) + answer)
        answers.flush()


def _answer(work: Callable[..., object], args: tuple[object, ...], kwargs: dict[str, object]) -> bytes:
    try:
        return pickle.dumps(work(*args, **kwargs))
    except MemoryError:
        return pickle.dumps(TemplateFailed("a template took too much memory"))
    except RecursionError:
        return pickle.dumps(TemplateFailed("a template gives what is nested too deeply"))
    except TemplateFailed as error:
        return pickle.dumps(TemplateFailed(str(error)))
    except Exception as error:  # a fault of ours: told, and the child goes on
        return pickle.dumps(RuntimeError(f"{type(error).__name__}: {error}"))


def _limit(memory: int) -> None:
    if sys.platform == "linux":
        resource.setrlimit(resource.RLIMIT_AS, (memory, resource.RLIM_INFINITY))


def main() -> None:
    """Answer requests from stdin on stdout: the child process."""
    _serve(sys.stdin.buffer, sys.stdout.buffer)
