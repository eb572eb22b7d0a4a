"""Calls that wait for a person's yes: asked at the terminal, or told with the command that answers."""

import asyncio
from collections.abc import Callable

from console import ask
from console.ask import Answer
from console.run_display import RunDisplay
from console.screen import Screen
from grammar.errors import NotWaiting
from grammar.messages.reports import Approval, ApprovalDecision, Grant
from runtime.runs import runs, signals


class ApprovalQuestions:
    """Asks about each open call once, one at a time. `how`: what to tell where nobody can be asked."""

    def __init__(self, view: Screen, teller: RunDisplay, handle: runs.Handle, how: Callable[[Approval], str]) -> None:
        self._view = view
        self._teller = teller
        self._handle = handle
        self._how = how
        self._told: set[str] = set()
        self._granted: set[Grant] = set()
        self._open: dict[str, Approval] = {}
        self._news = asyncio.Event()
        self.asking = False

    def hear(self, approvals: list[Approval]) -> None:
        """The calls that are open now."""
        self._open = {one.id: one for one in approvals}
        for one in approvals:
            if one.id not in self._told and not self._view.is_attended:
                self._teller.note(self._how(one))
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
                if one.kind == "approval" and one.grant in self._granted:
                    continue  # decided, by the grant; it was heard of before
                if leaving := await self._about(one):
                    return leaving

    async def _about(self, approval: Approval) -> Answer | None:
        answer, reason = await self._ask(approval)
        if answer in ("detach", "cancel"):
            return answer
        await self._give(answer, reason, approval)
        return None

    async def _ask(self, approval: Approval) -> tuple[Answer, str]:
        self.asking = True
        try:
            with self._teller.silent():
                return await asyncio.to_thread(ask.about_call, self._view.questions, approval)
        finally:
            self.asking = False

    async def _give(self, answer: Answer, reason: str, approval: Approval) -> None:
        try:
            if answer == "always":
                await signals.grant(self._handle, approval.id)
                self._granted.add(approval.grant)
            else:
                verdict = ApprovalDecision(id=approval.id, approved=answer == "yes", reason=reason)
                await signals.answer(self._handle, approval, verdict)
        except NotWaiting as error:
            self._teller.note(str(error))
