"""When the person at the terminal, or whoever sends signals, wants to leave a run: detached, or cancelled."""

import asyncio
import signal
from typing import Any

from rich.text import Text

from commands.approval_questions import ApprovalQuestions
from console import ask
from console.ask import Answer
from console.run_display import RunDisplay
from console.screen import Screen
from runtime import stopping


class Leaving:
    """Hear the signals of a process that follows a run. `interrupted`: Ctrl-C or SIGTERM; `hung_up`: SIGHUP."""

    def __init__(self, screen: Screen, display: RunDisplay, run_id: str) -> None:
        self._screen = screen
        self._display = display
        self._run_id = run_id
        self.interrupted = stopping.on_signals(signal.SIGINT, signal.SIGTERM, leaving=display.close)
        self.hung_up = stopping.on_signals(signal.SIGHUP, leaving=display.close)
        if screen.is_live:
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGTSTP, display.suspend)
            loop.add_signal_handler(signal.SIGCONT, display.redraw)

    def let_suspend(self) -> None:
        """Let Ctrl-Z stop the process at once again: nothing is drawn any more."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTSTP, signal.SIGCONT):
            loop.remove_signal_handler(number)

    async def wanted(self, approvals: ApprovalQuestions) -> Answer:
        """Return `detach` or `cancel` once somebody says so: by signals, or where a question offers it.

        Who interrupts a question, or whose terminal is gone, leaves the run to itself.
        """
        answering = asyncio.create_task(approvals.answer())
        is_warned = False
        try:
            while await self._is_interrupted(answering):
                if not approvals.asking:
                    return await self._asked() if self._screen.is_attended else "cancel"
                if is_warned:
                    return "detach"
                self._display.tell(Text("\nanswer: yes, no, detach or cancel; Ctrl-C again detaches"))
                is_warned = True
            return answering.result() if answering.done() else "detach"
        finally:
            answering.cancel()

    async def again(self) -> None:
        """Return when somebody does not want to wait for the end, either."""
        await stopping.first(self.interrupted.wait(), self.hung_up.wait())

    async def _asked(self) -> Answer:
        asked = asyncio.create_task(ask.detach_or_cancel(self._display, self._run_id))
        try:
            await self._is_interrupted(asked)
            return asked.result() if asked.done() else "detach"
        finally:
            asked.cancel()

    async def _is_interrupted(self, answering: asyncio.Task[Any]) -> bool:
        """Wait for an answer or a signal. Return whether it is an interrupt, which is then forgotten."""
        signals = [asyncio.create_task(event.wait()) for event in (self.interrupted, self.hung_up)]
        await asyncio.wait({answering, *signals}, return_when=asyncio.FIRST_COMPLETED)
        for task in signals:
            task.cancel()
        if answering.done() or self.hung_up.is_set():
            return False
        self.interrupted.clear()
        return True
