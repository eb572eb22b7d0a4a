"""What an agent run has paid for: model responses and tool results, recorded as they come (docs/decisions/0006).

The next attempt, or the next leg, goes through the conversation again from its start: what the journal holds is not
asked for again. Each line is JSON, without secrets:

    {"by": "x1"}                                           an attempt takes over: what others write from here is void
    {"by": "x1", "answer": 0, "response": {...}}           the model's response; with "model": 1, that of a fallback
    {"by": "x1", "unusable": 0, "why": "...", "usage": {}} that answer is of no use, and is asked for anew
    {"by": "x1", "asked": 0}                               where there is a budget: the model is about to be asked
    {"by": "x1", "unasked": 0}                             the endpoint refused the request: it costs nothing
    {"by": "x1", "call": 0, "tool": "t", "arguments": {}}  a tool is about to be called
    {"by": "x1", "result": 0, "content": {...}}            the call's result; or "refused": its error, for the agent
    {"by": "x1", "tools": {"t_1": {...}}}                  tools that servers have added meanwhile

An answer has "tools", too: those that it calls. Both say what the names mean that the model has seen: the next attempt
has servers of its own, which may list other tools.
"""

import json
import uuid
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NoReturn

from agents import UserError
from mcp.types import CallToolResult
from openai.types.responses import Response

from activities.process.secrets import Secrets
from activities.storage.journal_lines import (
    RecordedCall,
    calls_in,
    dumped,
    is_result,
    is_whole,
    noted_usage,
    parsed,
    response_of,
    tools_of,
    usage_in,
)
from activities.storage.journal_store import JournalStore
from activities.storage.token_usage import usage_of
from grammar.errors import ModelUnavailable, ToolboxFailed
from grammar.messages.activity_results import LegReason, PendingCall, SeenTool, Usage

SKIPPED = "The call was interrupted, and whether it had any effect is not known. A person decided not to repeat it."


class Journal:
    """Record the conversation of one agent run, and replay what earlier attempts have recorded.

    `outcomes`: a person's decisions on interrupted calls, by number: whether to repeat the call.
    `tools`: those that the model may mean, by the names that it has seen. `model`: which of the branch's models is
    asked now, from 0. `typical`: what one request uses, as far as is known: an estimate for those whose answers were
    lost on their way.
    `unknown`: the interrupted call for which such a decision is needed. `left_off`: why the leg ends before its agent
    does: the worker is stopping, or the allowance used up. Where either is set, the leg ends without a failure.
    """

    def __init__(
        self,
        store: JournalStore,
        key: str,
        secrets: Secrets,
        outcomes: Mapping[int, bool] | None = None,
        model: int = 0,
        typical: Usage | None = None,
    ) -> None:
        self._store = store
        self._key = key
        self._secrets = secrets
        self._outcomes = outcomes or {}
        self._model = model
        self._models: dict[int, int] = {}
        self._writer = uuid.uuid4().hex[:8]
        self._responses: dict[int, dict[str, Any]] = {}
        self._calls: dict[int, RecordedCall] = {}
        self._lost: list[RecordedCall] = []
        self._nameless: set[int] = set()
        self._asked = 0
        self._called = 0
        self.tools: dict[str, SeenTool] = {}
        self.unusable = Usage()
        self.unknown: PendingCall | None = None
        self.left_off: LegReason | None = None
        self._typical = typical or Usage()
        self._lost_answers = Usage()
        self._unanswered = 0

    async def open(self) -> None:
        """Take over from earlier attempts: void what they still write, and read what they wrote."""
        await self._write()
        await self.read()

    async def read(self) -> None:
        """Read what earlier attempts wrote."""
        writer = None
        for line in await self._store.read(self._key):
            entry = parsed(line)
            if set(entry) == {"by"} and isinstance(entry["by"], str):
                writer = entry["by"]
            elif entry.get("by") == writer:
                self._apply(self._secrets.reveal(entry))
            else:
                self._apply_void(entry)

    @property
    def turns(self) -> int:
        """Return how many responses of the model are recorded."""
        return len(self._responses)

    def model_of(self, answer: int) -> int:
        """Return which of the branch's models gave an answer, or is to give it; both count from 0."""
        return self._models.get(answer, self._model)

    @property
    def is_of_another(self) -> bool:
        """Return whether the response of this turn is that of another model than is asked now."""
        return self.model_of(self._asked - 1) != self._model

    @property
    def usage(self) -> Usage:
        """Return what all that is recorded cost."""
        answered = sum((usage_in(response_of(found)) for found in self._responses.values()), Usage())
        return answered + self.unusable + self.lost

    @property
    def lost(self) -> Usage:
        """Return what answers cost that were lost on their way, by an estimate.

        One counts as much as the answer that came in its place; until there is one, as is typical.
        """
        unknown = self._typical.model_copy(update={"requests": 1})
        return sum([unknown] * self._unanswered, self._lost_answers)

    def next_response(self) -> Response | None:
        """Return the recorded response of this turn, and move on to the next; None where the model has to be asked."""
        self._asked += 1
        found = self._responses.get(self._asked - 1)
        return response_of(found) if found else None

    async def record_response(self, response: Response, tools: Mapping[str, SeenTool] | None = None) -> None:
        """Record what the model answered in this turn. `tools`: those that it calls, by the names that it saw."""
        self._forget_from(self._asked - 1)
        self._responses[self._asked - 1] = recorded = response.model_dump(mode="json", exclude_unset=True)
        self._models[self._asked - 1] = self._model
        self._count_answer(usage_in(response))
        more: dict[str, Any] = {"tools": dumped(tools)} if tools else {}
        more |= {"model": self._model} if self._model else {}
        await self._write(answer=self._asked - 1, response=recorded, **more)

    async def record_tools(self, tools: Mapping[str, SeenTool]) -> None:
        """Record tools that servers have added, by the names that the model sees."""
        await self._write(tools=dumped(tools))

    async def record_unusable(self, response: Response, why: str) -> None:
        """Record that a response is of no use: it is paid for, and whoever goes on asks anew."""
        self.unusable += usage_of(response.usage)
        self._count_answer(usage_of(response.usage))
        await self._write_unusable(response, why)

    async def note_request(self) -> None:
        """Record that the model is about to be asked: where the answer is lost on its way, it is paid for."""
        self._unanswered += 1
        await self._write(asked=self._asked - 1)

    async def note_refusal(self) -> None:
        """Record that the endpoint refused that request."""
        self._unanswered -= 1
        await self._write(unasked=self._asked - 1)

    async def discard_last(self, why: str) -> None:
        """Record that the last response turned out to be of no use. In this attempt the SDK has counted its usage."""
        self._models.pop(self._asked - 1, None)
        if recorded := self._responses.pop(self._asked - 1, None):
            await self._write_unusable(response_of(recorded), why)

    async def _write_unusable(self, response: Response, why: str) -> None:
        await self._write(unusable=self._asked - 1, why=why, usage=usage_of(response.usage).model_dump())

    async def call(
        self,
        tool: str,
        arguments: dict[str, Any] | None,
        ask_to_repeat: bool,
        make: Callable[[], Awaitable[CallToolResult]],
    ) -> CallToolResult:
        """Return the result of a tool call: the recorded one, else that of `make`, which is recorded.

        `ask_to_repeat`: where an earlier attempt was interrupted in the call, a person decides whether to repeat it.
        Raises what `make` raises, and records the call's own error (UserError). Raises ToolboxFailed where a person
        has to decide (`unknown` is set), or where the recorded call is another one.
        """
        number, self._called = self._called, self._called + 1
        given = arguments or {}
        recorded = self._calls.get(number)
        if recorded is None and ask_to_repeat and self._may_have_been_made(number, tool, given):
            recorded = RecordedCall(tool, given)
        if recorded and (recorded.tool, recorded.arguments) != (tool, given):
            raise ToolboxFailed(f"the run took another way than before at its call {number + 1}, of {tool}")
        if recorded and recorded.refused is not None:
            raise UserError(recorded.refused)
        if recorded and recorded.content is not None:
            return CallToolResult.model_validate(recorded.content)
        if recorded and ask_to_repeat and not self._may_repeat(number, recorded):
            await self._write(result=number, refused=SKIPPED)
            raise UserError(SKIPPED)
        return await self._record_call(number, tool, given, make)

    def leave_off(self, reason: LegReason) -> NoReturn:
        """Set `left_off`, and raise ModelUnavailable, which ends the turn."""
        self.left_off = reason
        raise ModelUnavailable(f"the leg ends here: {reason}")

    async def _record_call(
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

    def _may_repeat(self, number: int, call: RecordedCall) -> bool:
        """Return a person's decision. Raises ToolboxFailed, which ends the leg, where there is none yet."""
        if number not in self._outcomes:
            arguments = json.dumps(call.arguments, ensure_ascii=False)
            self.unknown = PendingCall(id=str(number), tool=call.tool, toolbox="", arguments=arguments)
            raise ToolboxFailed(f"whether the interrupted call of {call.tool} had any effect is not known")
        return self._outcomes[number]

    def _forget_from(self, turn: int) -> None:
        """Forget the answers from that turn on, and the calls that followed on them: a new answer may lead elsewhere.

        There are such only where a line of the journal was damaged.
        """
        self._responses = {number: found for number, found in self._responses.items() if number < turn}
        self._models = {number: model for number, model in self._models.items() if number < turn}
        made = sum(map(calls_in, self._responses.values()))
        for number in [number for number in self._calls if number >= made]:
            self._lost.append(self._calls.pop(number))

    def _may_have_been_made(self, number: int, tool: str, arguments: dict[str, Any]) -> bool:
        """Return whether a call was made before, as far as a damaged journal tells."""
        return number in self._nameless or any((lost.tool, lost.arguments) == (tool, arguments) for lost in self._lost)

    def _count_answer(self, usage: Usage) -> None:
        """Count those as lost that were asked for before, and did not come."""
        self._lost_answers = sum([usage] * (self._unanswered - 1), self._lost_answers)
        self._unanswered, self._typical = 0, usage

    def _apply_void(self, entry: dict[str, Any]) -> None:
        """Count what was paid for by an attempt that was thought dead: its answers are of no use, but were given."""
        match entry:
            case {"asked": int()}:
                self._unanswered += 1
            case {"unasked": int()}:
                self._unanswered -= 1
            case {"answer": int(), "response": dict(response)} if is_whole(response):
                self._lost_answers += usage_in(response_of(response))
                self._unanswered = max(0, self._unanswered - 1)
            case {"unusable": int()}:
                self._lost_answers += noted_usage(entry.get("usage"))
                self._unanswered = max(0, self._unanswered - 1)

    def _apply(self, entry: dict[str, Any]) -> None:
        """Take over a line; one of another shape is damaged, and left out: its answer is asked for anew."""
        self.tools |= tools_of(entry.get("tools"))
        match entry:
            case {"answer": int(number), "response": dict(response)} if is_whole(response):
                self._forget_from(number)
                self._responses[number] = response
                self._models[number] = model if isinstance(model := entry.get("model", 0), int) else 0
                self._count_answer(usage_in(response_of(response)))
            case {"unusable": int(number)}:
                self._responses.pop(number, None)
                self._models.pop(number, None)
                self.unusable += (usage := noted_usage(entry.get("usage")))
                self._count_answer(usage)
            case {"asked": int()}:
                self._unanswered += 1
            case {"unasked": int()}:
                self._unanswered -= 1
            case {"call": int(number), "tool": str(tool), "arguments": dict(arguments)}:
                self._calls[number] = RecordedCall(tool, arguments)
            case {"result": int(number), "refused": str(refused)} if number in self._calls:
                self._calls[number].refused = refused
            case {"result": int(number), "content": dict(content)} if number in self._calls and is_result(content):
                self._calls[number].content = content
            case {"result": int(number)} if number not in self._calls:
                self._nameless.add(number)

    async def _write(self, **entry: Any) -> None:
        hidden = self._secrets.hide({"by": self._writer, **entry})
        await self._store.append(self._key, json.dumps(hidden, ensure_ascii=False, separators=(",", ":")))
