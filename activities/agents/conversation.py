"""The conversation of an agent run: turns, repairs of a value, legs (specification sections 5 and 6)."""

from collections.abc import Awaitable, Callable
from typing import Any

from agents import (
    Agent,
    MaxTurnsExceeded,
    ModelBehaviorError,
    RunConfig,
    Runner,
    RunResultStreaming,
    RunState,
    ToolExecutionConfig,
    TResponseInputItem,
)
from agents.items import ToolApprovalItem
from pydantic import JsonValue

from activities.agents import model_errors, results, structured_output
from activities.agents.output_validation import refuse
from activities.agents.stream_events import narrate
from activities.process.secrets import Secrets
from activities.process.transcript import Transcript
from activities.storage.journal import Journal
from grammar.documents.values import ToolResult
from grammar.errors import BadRequest, RateLimited, TaskError
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import Leg, PendingCall, Usage
from grammar.messages.reports import ApprovalDecision

Fits = Callable[[JsonValue], Awaitable[list[str]]]
Input = str | list[TResponseInputItem] | RunState[Any]


class Conversation:
    """One agent run, from its prompt or from where it was left off. `fits` says how a value breaks the schema."""

    def __init__(
        self,
        agent: Agent,
        request: AgentRequest,
        secrets: Secrets,
        transcript: Transcript,
        fits: Fits,
        journal: Journal,
    ) -> None:
        leg = request.leg
        self._agent = agent
        self._request = request
        self._secrets = secrets
        self._transcript = transcript
        self._fits = fits
        self._journal = journal
        self._left: Leg | None = None
        self._earlier: list[ToolResult] = [*leg.tool_results] if leg else []
        self._used = leg.usage if leg else Usage()
        self._repairs = leg.repairs if leg else 0
        self._result: RunResultStreaming | None = None

    async def run(self) -> None:
        """To its end, or to where it is left off. Raises TaskError."""
        try:
            await self._to_the_end()
        except TaskError as error:
            self._left = self._left_off(error)
            if self._left is None:
                error.usage = self.usage
                raise

    async def _to_the_end(self) -> None:
        await self._turns(await self._beginning())
        while not self.waits and (wrong := await self._wrong()):
            if self._repairs >= self._request.outputs_retries or self._request.exclude_from_context:
                refuse(wrong)
            self._repairs += 1
            await self._turns(self._repair(wrong))

    @property
    def waits(self) -> bool:
        """Whether calls wait for a person's yes."""
        return self._left is None and bool(self._result and self._result.interruptions)

    @property
    def tool_results(self) -> list[ToolResult]:
        """What all tools gave, in the order of the calls."""
        return [*self._earlier, *(results.tool_results(self._result.new_items) if self._result else [])]

    @property
    def usage(self) -> Usage:
        """Of all legs and repairs."""
        return self._used + _counted(self._result) + self._journal.unusable

    def value(self) -> tuple[bool, JsonValue]:
        """Whether there is a value, and which."""
        final = self._result.final_output if self._result else None
        return results.value(self._request.capture, self.tool_results, final)

    def leg(self) -> Leg | None:
        """Where the run is left off, fit to be recorded; None where it has come to its end."""
        return self._for_approval() if self.waits else self._left

    def _left_off(self, error: TaskError) -> Leg | None:
        """What ended the turns, where it is no failure: the next leg goes on from the journal."""
        turns = self._journal.turns
        if unknown := self._journal.unknown:
            hidden = self._secrets.hide(unknown.model_dump())
            return Leg(reason="unknown_outcome", calls=[PendingCall.model_validate(hidden)], turns=turns)
        if self._journal.stopping:
            return Leg(reason="stopped", turns=turns)
        if isinstance(error, RateLimited) and self._request.rehearsal is None:
            return Leg(
                reason="rate_limited", turns=turns, delay=error.retry_after, message=self._transcript.redact(str(error))
            )
        return None

    def _for_approval(self) -> Leg:
        assert self._result
        state = self._result.to_state().to_json()
        calls = [_pending(item) for item in self._result.interruptions]
        hide = self._secrets.hide
        return Leg(
            state=hide(state),
            calls=[one.model_copy(update={"arguments": hide(one.arguments)}) for one in calls],
            tool_results=[ToolResult.model_validate(hide(one.model_dump())) for one in self._earlier],
            usage=self._used + self._journal.unusable,
            repairs=self._repairs,
        )

    async def _beginning(self) -> Input:
        leg = self._request.leg
        if leg is None:
            return self._secrets.reveal(self._request.prompt)
        state = await RunState.from_json(self._agent, self._secrets.reveal(leg.state))
        _decide(state, self._request.verdicts)
        return state

    async def _turns(self, start: Input) -> None:
        self._result = result = Runner.run_streamed(
            self._agent, start, max_turns=self._turns_left(), run_config=_config()
        )
        try:
            await self._follow(result)
        except BadRequest as error:
            if not (structured_output.is_refused(error) and structured_output.lift(self._agent)):
                raise
            await self._turns(start)

    async def _follow(self, result: RunResultStreaming) -> None:
        try:
            await narrate(result, self._transcript)
        except MaxTurnsExceeded:
            if not self._request.exclude_from_context:
                raise model_errors.turn_limit(self._request.max_turns) from None
        except ModelBehaviorError as error:
            await self._journal.spoil(type(error).__name__)
            raise model_errors.misbehaved(error) from None
        except model_errors.OUTSIDE as error:
            raise model_errors.understood(error) from None

    def _turns_left(self) -> int:
        if self._request.exclude_from_context:
            return 1
        return max(1, self._request.max_turns - self._used.requests)

    async def _wrong(self) -> list[str]:
        if self._request.outputs is None:
            return []
        produced, value = self.value()
        if not produced:
            return ["nothing was produced: no tool gave a result" if self._from_tools() else "there is no final text"]
        return await self._fits(value)

    def _repair(self, wrong: list[str]) -> Input:
        assert self._result
        self._earlier = self.tool_results
        self._used += _counted(self._result)
        said = self._result.to_input_list()
        self._agent = self._result.last_agent
        return [*said, {"role": "user", "content": results.repair_prompt(wrong, self._request)}]

    def _from_tools(self) -> bool:
        return self._request.capture == "tool_result"


def _decide(state: RunState[Any], verdicts: list[ApprovalDecision]) -> None:
    """Put a person's words into the state. A call without a verdict stays open."""
    said = {one.id: one for one in verdicts}
    for item in state.get_interruptions():
        verdict = said.get(item.call_id or "")
        if verdict is None:
            continue
        if verdict.approved:
            state.approve(item)
        else:
            state.reject(item, rejection_message=_no(verdict.reason))


def _no(reason: str) -> str:
    return "Tool call not allowed." + (f" Reason: {reason}" if reason else "")


def _pending(item: ToolApprovalItem) -> PendingCall:
    origin = item.tool_origin
    return PendingCall(
        id=item.call_id or "",
        tool=item.tool_name or "",
        toolbox=(origin and origin.mcp_server_name) or "",
        arguments=item.arguments or "{}",
    )


def _counted(result: RunResultStreaming | None) -> Usage:
    if result is None:
        return Usage()
    usage = result.context_wrapper.usage
    return Usage(requests=usage.requests, input_tokens=usage.input_tokens, output_tokens=usage.output_tokens)


def _config() -> RunConfig:
    # One tool call after the other: their results count in the order in which the model asked (section 5).
    return RunConfig(tracing_disabled=True, tool_execution=ToolExecutionConfig(max_function_tool_concurrency=1))
