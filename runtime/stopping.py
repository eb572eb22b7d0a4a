"""When a process should end: signals, and a stdin that nobody writes to any more."""

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Awaitable, Callable

from grammar.exit_codes import ExitCode


def on_signals(*numbers: signal.Signals, leaving: Callable[[], object] = lambda: None) -> asyncio.Event:
    """Return an event that any of the signals sets. A second one of them ends the process at once, after `leaving`."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop() -> None:
        if event.is_set():
            leaving()
            os._exit(ExitCode.INTERRUPTED)
        event.set()

    for number in numbers:
        if number == signal.SIGINT or signal.getsignal(number) != signal.SIG_IGN:
            loop.add_signal_handler(number, stop)
    return event


def interrupt_on(*numbers: signal.Signals) -> None:
    """Have the signals raise KeyboardInterrupt, as Ctrl-C does. One that is ignored (`nohup`) stays so."""
    for number in numbers:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, signal.default_int_handler)


def as_ever(*numbers: signal.Signals) -> None:
    """Have the signals raise KeyboardInterrupt again, after `on_signals`."""
    loop = asyncio.get_running_loop()
    for number in numbers:
        loop.remove_signal_handler(number)
        signal.signal(number, signal.default_int_handler)


def ignore(*numbers: signal.Signals) -> None:
    """Ignore the signals: a terminal sends them to the whole group."""
    for number in numbers:
        signal.signal(number, signal.SIG_IGN)


async def stdin_closed() -> None:
    """Return when the other end of stdin is closed; at once where stdin is not a pipe."""
    kind = os.fstat(sys.stdin.fileno()).st_mode
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind)):
        return
    reader = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    await reader.read()


async def first(*awaitables: Awaitable[object]) -> None:
    """Return when any of them is done, and the others have been cancelled. Raises what the first one raises."""
    tasks = [asyncio.ensure_future(awaitable) for awaitable in awaitables]
    try:
        done, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()
