"""Calls that wait for a person's yes: asked at the terminal, or told with the command that answers."""

import asyncio
import sys
from collections.abc import Callable

from console import ask
from console.ask import Answer
from console.narrator import Narrator
from console.screen import Screen
from grammar.contracts import Approval, Verdict
from grammar.errors import NotWaiting
from runtime import runs


class Approvals:
    """Asks about each open call once, one at a time. `how`: what to tell where nobody can be asked."""

    def __init__(self, view: Screen, narrator: Narrator, handle: runs.Handle, how: Callable[[Approval], str]) -> None:
        self._view = view
        self._narrator = narrator
        self._handle = handle
        self._how = how
        self._told: set[str] = set()
        self._open: dict[str, Approval] = {}
        self._news = asyncio.Event()
        self.asking = False

    def hear(self, approvals: list[Approval]) -> None:
        """The calls that are open now."""
        self._open = {one.id: one for one in approvals}
        for one in approvals:
            if one.id not in self._told and not sys.stdin.isatty():
                self._narrator.note(self._how(one))
                self._told.add(one.id)
        if self._open.keys() - self._told:
            self._news.set()

    async def answer(self) -> Answer:
        """Ask about calls as they come; ends when the person would rather leave the run: `detach` or `cancel`."""
        while True:
            await self._news.wait()
            self._news.clear()
            while one := next((one for one in self._open.values() if one.id not in self._told), None):
                self._told.add(one.id)
                if leaving := await self._ask(one):
                    return leaving

    async def _ask(self, approval: Approval) -> Answer | None:
        self.asking = True
        try:
            answer, reason = await asyncio.to_thread(ask.about_call, self._view.err, approval)
        finally:
            self.asking = False
        if answer in ("detach", "cancel"):
            return answer
        try:
            verdict = Verdict(id=approval.id, approved=answer == "yes", reason=reason)
            await runs.answer(self._handle, approval, verdict)
        except NotWaiting as error:
            self._narrator.note(str(error))
        return None
