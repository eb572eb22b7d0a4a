"""What an agent run has paid for: model answers and tool results, written down as they come (docs/decisions/0006).

The next attempt, or the next leg, goes through the conversation again from its start: what the journal holds is not
asked for again. Each line is JSON, without secrets:

    {"by": "x1"}                                           an attempt takes over: what others write from here is void
    {"by": "x1", "answer": 0, "response": {...}}           what the model said
    {"by": "x1", "unusable": 0, "why": "...", "usage": {}} that answer is of no use, and is asked for anew
    {"by": "x1", "call": 0, "tool": "t", "arguments": {}}  a tool is about to be called
    {"by": "x1", "result": 0, "content": {...}}            what it gave; or "refused": what the agent was told
"""

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from agents import UserError
from mcp.types import CallToolResult
from openai.types.responses import Response

from activities.process.secrets import Secrets
from activities.storage.journal_store import JournalStore
from grammar.errors import ModelUnavailable, ToolboxFailed
from grammar.messages.activity_results import PendingCall, Usage

SKIPPED = "The call was interrupted, and whether it had any effect is not known. A person decided not to repeat it."


@dataclass
class _Call:
    """A tool call of an earlier attempt. Without `content` and `refused`, how it ended is not known."""

    tool: str
    arguments: dict[str, Any]
    content: dict[str, Any] | None = None
    refused: str | None = None


class Journal:
    """The journal of one agent run. `outcomes`: what a person said about calls whose outcome is not known.

    `left_off`: why the run cannot go on in this leg, where that is no failure.
    """

    def __init__(
        self, store: JournalStore, key: str, secrets: Secrets, outcomes: Mapping[int, bool] | None = None
    ) -> None:
        self._store = store
        self._key = key
        self._secrets = secrets
        self._outcomes = outcomes or {}
        self._by = uuid.uuid4().hex[:8]
        self._answers: dict[int, dict[str, Any]] = {}
        self._calls: dict[int, _Call] = {}
        self._asked = 0
        self._called = 0
        self.unusable = Usage()
        self.unknown: PendingCall | None = None
        self.stopping = False

    async def open(self) -> None:
        """Take over from earlier attempts, and read what they wrote."""
        await self._write()
        by = None
        for line in await self._store.read(self._key):
            entry = _parsed(line)
            if set(entry) == {"by"}:
                by = entry["by"]
            elif entry.get("by") == by:
                self._take(self._secrets.reveal(entry))

    @property
    def turns(self) -> int:
        """How many answers of the model it holds."""
        return len(self._answers)

    def next_answer(self) -> Response | None:
        """What the model said at this point, if it has been asked before."""
        self._asked += 1
        found = self._answers.get(self._asked - 1)
        return _response(found) if found else None

    async def answered(self, response: Response) -> None:
        """The model answered."""
        self._answers[self._asked - 1] = said = response.model_dump(mode="json", exclude_unset=True)
        await self._write(answer=self._asked - 1, response=said)

    async def spent(self, response: Response, why: str) -> None:
        """The model answered, and the answer is of no use: it is paid for, and asked for anew by whoever goes on."""
        used = response.usage
        usage = Usage(
            requests=1, input_tokens=used.input_tokens if used else 0, output_tokens=used.output_tokens if used else 0
        )
        self.unusable += usage
        await self._write(unusable=self._asked - 1, why=why, usage=usage.model_dump())

    async def spoil(self, why: str) -> None:
        """The last answer turned out to be of no use."""
        if answer := self._answers.pop(self._asked - 1, None):
            await self.spent(_response(answer), why)

    async def call(
        self, tool: str, arguments: dict[str, Any] | None, careful: bool, make: Callable[[], Awaitable[CallToolResult]]
    ) -> CallToolResult:
        """The result of a tool call: the recorded one, else that of `make`.

        `careful`: not to be repeated unasked where an earlier attempt ended in its middle. Raises what `make` raises;
        of that, the calls' own errors (UserError) are recorded as well.
        """
        number, self._called = self._called, self._called + 1
        given = arguments or {}
        known = self._calls.get(number)
        if known and (known.tool, known.arguments) != (tool, given):
            raise ToolboxFailed(f"the run took another way than before at its call {number + 1}, of {tool}")
        if known and known.refused is not None:
            raise UserError(known.refused)
        if known and known.content is not None:
            return CallToolResult.model_validate(known.content)
        if known and careful and not self._may_repeat(number, known):
            await self._write(result=number, refused=SKIPPED)
            raise UserError(SKIPPED)
        return await self._make(number, tool, given, make)

    def stop(self) -> None:
        """The worker is told to stop: nothing new is begun. Raises ModelUnavailable."""
        self.stopping = True
        raise ModelUnavailable("the worker is stopping")

    async def _make(
        self, number: int, tool: str, arguments: dict[str, Any], make: Callable[[], Awaitable[CallToolResult]]
    ) -> CallToolResult:
        await self._write(call=number, tool=tool, arguments=arguments)
        try:
            result = await make()
        except UserError as error:
            await self._write(result=number, refused=str(error))
            raise
        await self._write(result=number, content=result.model_dump(mode="json", by_alias=True, exclude_none=True))
        return result

    def _may_repeat(self, number: int, known: _Call) -> bool:
        """What a person said; where nobody did, the run is left off to ask."""
        if number not in self._outcomes:
            arguments = json.dumps(known.arguments, ensure_ascii=False)
            self.unknown = PendingCall(id=str(number), tool=known.tool, toolbox="", arguments=arguments)
            raise ToolboxFailed(f"whether the interrupted call of {known.tool} had any effect is not known")
        return self._outcomes[number]

    def _take(self, entry: dict[str, Any]) -> None:
        if "answer" in entry:
            self._answers[entry["answer"]] = entry["response"]
        elif "unusable" in entry:
            self._answers.pop(entry["unusable"], None)
            self.unusable += Usage.model_validate(entry.get("usage", {}))
        elif "call" in entry:
            self._calls[entry["call"]] = _Call(entry["tool"], entry["arguments"])
        elif call := self._calls.get(entry.get("result", -1)):
            call.content, call.refused = entry.get("content"), entry.get("refused")

    async def _write(self, **entry: Any) -> None:
        hidden = self._secrets.hide({"by": self._by, **entry})
        await self._store.append(self._key, json.dumps(hidden, ensure_ascii=False, separators=(",", ":")))


def _response(found: dict[str, Any]) -> Response:
    """What was written down, as it was taken from the endpoint: what it left out is left out here."""
    return Response.construct(**found)


def _parsed(line: str) -> dict[str, Any]:
    """The entry; an empty one for a line that was cut off as its process died."""
    try:
        entry = json.loads(line)
    except ValueError:
        return {}
    return entry if isinstance(entry, dict) else {}
