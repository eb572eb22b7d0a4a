"""Waiting for a condition, with a deadline."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


def gone(pid: int) -> bool:
    """Return whether the process has ended; a zombie has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


def until(condition: Callable[[], object], seconds: float = 20) -> None:
    """Return when `condition()` is true; fail the test where it is not within `seconds`."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(0.02)


async def until_async(condition: Callable[[], Awaitable[T | None]], seconds: float = 20) -> T:
    """Return the first true result of `condition()`, which is awaited; fail the test where there is none in time."""
    async with asyncio.timeout(seconds):
        while not (found := await condition()):
            await asyncio.sleep(0.02)
        return found


@asynccontextmanager
async def in_a_task(context: AbstractAsyncContextManager[T]) -> AsyncIterator[T]:
    """Enter the context and leave it in one task, as task groups need it: a fixture's two halves run in two tasks."""
    entered: asyncio.Future[T] = asyncio.get_running_loop().create_future()
    over = asyncio.Event()

    async def hold() -> None:
        async with context as value:
            entered.set_result(value)
            await over.wait()

    holding = asyncio.create_task(hold())
    either: set[asyncio.Future[Any]] = {entered, holding}
    await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
    if not entered.done():
        await holding
    try:
        yield entered.result()
    finally:
        over.set()
        await holding
