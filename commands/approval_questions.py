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
    """Ask about each open call once, one at a time. `advice`: what to tell where nobody can be asked."""

    def __init__(
        self, screen: Screen, display: RunDisplay, handle: runs.Handle, advice: Callable[[Approval], str]
    ) -> None:
        self._screen = screen
        self._display = display
        self._handle = handle
        self._advice = advice
        self._told: set[str] = set()
        self._granted: set[Grant] = set()
        self._open: dict[str, Approval] = {}
        self._news = asyncio.Event()
        self._asked: str | None = None
        self._question = asyncio.timeout(None)

    @property
    def asking(self) -> bool:
        """Return whether a question is open."""
        return self._asked is not None

    def hear(self, approvals: list[Approval]) -> None:
        """Take in the calls that are open now. A question about one that is not any more is withdrawn."""
        self._open = {call.id: call for call in approvals}
        if self._asked and self._asked not in self._open:
            self._question.reschedule(0)
        for call in approvals:
            if call.id not in self._told and not self._screen.is_attended:
                self._display.note(self._advice(call))
                self._told.add(call.id)
        if self._open.keys() - self._told:
            self._news.set()

    async def answer(self) -> Answer:
        """Ask about calls as they come. Return `detach` or `cancel` once the person would rather leave the run."""
        while True:
            await self._news.wait()
            self._news.clear()
            while call := next((call for call in self._open.values() if call.id not in self._told), None):
                self._told.add(call.id)
                if call.kind == "approval" and call.grant in self._granted:
                    continue  # decided, by the grant; it was heard of before
                if leaving := await self._about(call):
                    return leaving

    async def _about(self, approval: Approval) -> Answer | None:
        try:
            answer, reason = await self._ask(approval)
        except TimeoutError:  # somebody else has answered
            return None
        if answer in ("detach", "cancel"):
            return answer
        await self._give(answer, reason, approval)
        return None

    async def _ask(self, approval: Approval) -> tuple[Answer, str]:
        self._asked = approval.id
        try:
            async with asyncio.timeout(None) as self._question:
                return await ask.about_call(self._display, approval)
        finally:
            self._asked = None

    async def _give(self, answer: Answer, reason: str, approval: Approval) -> None:
        try:
            if answer == "always":
                await signals.grant(self._handle, approval.id)
                self._granted.add(approval.grant)
            else:
                verdict = ApprovalDecision(id=approval.id, approved=answer == "yes", reason=reason)
                await signals.answer(self._handle, approval, verdict)
        except NotWaiting as error:
            self._display.note(str(error))
