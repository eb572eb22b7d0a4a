"""The conversation of an agent run: turns, repairs of a value, legs (specification sections 5 and 6)."""

from collections.abc import Awaitable, Callable
from functools import cache
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
from activities.agents.output_validation import raise_if_invalid
from activities.agents.stream_events import record_events
from activities.process.activity_errors import type_name
from activities.process.secrets import Secrets
from activities.process.transcript import Transcript
from activities.storage.journal import Journal
from activities.storage.token_usage import usage_of
from activities.toolboxes.offered_tools import OfferedTools
from grammar.documents.values import ToolResult
from grammar.errors import BadRequest, RateLimited, TaskError
from grammar.failure_policy import falls_back
from grammar.messages.activity_requests import AgentRequest
from grammar.messages.activity_results import Leg, PendingCall, Usage
from grammar.messages.reports import ApprovalDecision

Validator = Callable[[JsonValue], Awaitable[list[str]]]
RunInput = str | list[TResponseInputItem] | RunState[Any]


class Conversation:
    """Run the conversation of one agent run, from its prompt or from its last leg's state.

    `validate`: returns how a value breaks the task's `outputs`. `offered`: the tools, under the names that the model
    sees.
    """

    def __init__(
        self,
        agent: Agent,
        request: AgentRequest,
        secrets: Secrets,
        transcript: Transcript,
        validate: Validator,
        journal: Journal,
        offered: OfferedTools,
    ) -> None:
        leg = request.leg
        self._agent = agent
        self._request = request
        self._secrets = secrets
        self._transcript = transcript
        self._validate = validate
        self._journal = journal
        self._offered = offered
        self._told_name = offered.told_name
        self._interruption: Leg | None = None
        self._earlier: list[ToolResult] = [*leg.tool_results] if leg else []
        self._used = leg.usage if leg else Usage()
        self._repairs = leg.repairs if leg else 0
        self._result: RunResultStreaming | None = None
        transcript.model = self._model_name(leg.model if leg else 0)

    async def run(self) -> None:
        """Run to the end, or to the end of the leg. Raises TaskError."""
        try:
            await self._run_with_repairs()
        except TaskError as error:
            self._interruption = self._leg_without_failure(error)
            if self._interruption is None:
                error.usage = self.usage
                raise

    async def _run_with_repairs(self) -> None:
        await self._run_turns(await self._input())
        while not self.awaits_approval and (problems := await self._problems()):
            if self._repairs >= self._request.outputs_retries or self._request.exclude_from_context:
                raise_if_invalid(problems)
            self._repairs += 1
            await self._run_turns(self._repair(problems))

    @property
    def awaits_approval(self) -> bool:
        """Return whether tool calls wait for a person's approval."""
        return self._interruption is None and bool(self._result and self._result.interruptions)

    @property
    def tool_results(self) -> list[ToolResult]:
        """Return the results of all tools, of earlier legs and repairs too, in the order of the calls."""
        items = self._result.new_items if self._result else []
        return [*self._earlier, *results.tool_results(items, self._told_name)]

    @property
    def usage(self) -> Usage:
        """Return the usage of all legs and repairs."""
        return self._used + _usage_of(self._result) + self._journal.unusable + self._journal.lost

    def value(self) -> tuple[bool, JsonValue]:
        """Return whether the run produced a value, and the value."""
        final = self._result.final_output if self._result else None
        return results.value(self._request.capture, self.tool_results, final)

    def leg(self) -> Leg | None:
        """Return what the next leg needs, without secrets; None where the run has come to its end."""
        return self._leg_for_approval() if self.awaits_approval else self._interruption

    def _leg_without_failure(self, error: TaskError) -> Leg | None:
        """Return the leg where what ended the turns is no failure: the next leg goes on from the journal."""
        turns = self._journal.turns
        if unknown := self._journal.unknown:
            return Leg(reason="unknown_outcome", calls=[self._shown(unknown)], turns=turns)
        if reason := self._journal.left_off:
            return Leg(reason=reason, turns=turns)
        if isinstance(error, RateLimited) and self._request.rehearsal is None:
            return Leg(
                reason="rate_limited", turns=turns, delay=error.retry_after, message=self._secrets.told(str(error))
            )
        kind = type_name(error)
        if falls_back(kind) and self._has_next_model and self._request.rehearsal is None:
            return Leg(reason="unavailable", turns=turns, error=kind, message=self._secrets.told(str(error)))
        return None

    @property
    def _has_next_model(self) -> bool:
        return self._request.model_number + 1 < len(self._request.models)

    def _model_name(self, number: int) -> str:
        """Return what people call the branch's model of that number; empty where it has one alone."""
        names = self._request.models
        return names[number] or "the default model" if names else ""

    def _leg_for_approval(self) -> Leg:
        assert self._result
        state = self._result.to_state().to_json()
        hide = self._secrets.hide
        return Leg(
            state=hide(state),
            calls=[self._shown(_pending(item, self._told_name)) for item in self._result.interruptions],
            tool_results=[ToolResult.model_validate(hide(result.model_dump())) for result in self._earlier],
            usage=self._used + self._journal.unusable + self._journal.lost,
            repairs=self._repairs,
            tools=self._offered.seen,
            model=self._request.model_number,
        )

    def _shown(self, call: PendingCall) -> PendingCall:
        """Return a call as people are asked about it."""
        return call.model_copy(update={"arguments": self._secrets.mask(call.arguments)})

    async def _input(self) -> RunInput:
        leg = self._request.leg
        if leg is None:
            return self._secrets.reveal(self._request.prompt)
        state = await RunState.from_json(self._agent, self._secrets.reveal(leg.state))
        _apply_decisions(state, self._request.verdicts)
        return state

    async def _run_turns(self, run_input: RunInput) -> None:
        self._result = result = Runner.run_streamed(
            self._agent, run_input, max_turns=self._turns_left(), run_config=_config()
        )
        try:
            await self._follow(result)
        except BadRequest as error:
            if not (structured_output.is_refused(error) and structured_output.disable(self._agent)):
                raise
            await self._run_turns(run_input)

    async def _follow(self, result: RunResultStreaming) -> None:
        try:
            await record_events(result, self._transcript, self._told_name, self._answerer)
        except MaxTurnsExceeded:
            if not self._request.exclude_from_context:
                raise model_errors.turn_limit(self._request.max_turns) from None
        except ModelBehaviorError as error:
            await self._journal.discard_last(type(error).__name__)
            raise model_errors.from_behavior(error) from None
        except model_errors.EXPECTED as error:
            raise model_errors.from_exception(error) from None

    def _answerer(self, answer: int) -> str:
        """Return the name of the model that gave an answer of this activity's conversation; empty as above."""
        return self._model_name(self._journal.model_of(answer))

    def _turns_left(self) -> int:
        if self._request.exclude_from_context:
            return 1
        return max(1, self._request.max_turns - self._used.requests)

    async def _problems(self) -> list[str]:
        if self._request.outputs is None:
            return []
        produced, value = self.value()
        if not produced:
            return ["nothing was produced: no tool gave a result" if self._from_tools() else "there is no final text"]
        return await self._validate(value)

    def _repair(self, problems: list[str]) -> RunInput:
        assert self._result
        self._earlier = self.tool_results
        self._used += _usage_of(self._result)
        items = self._result.to_input_list()
        self._agent = self._result.last_agent
        return [*items, {"role": "user", "content": results.repair_prompt(problems, self._request)}]

    def _from_tools(self) -> bool:
        return self._request.capture == "tool_result"


def _apply_decisions(state: RunState[Any], decisions: list[ApprovalDecision]) -> None:
    """Put a person's decisions into the state. A call without a decision stays open."""
    by_id = {decision.id: decision for decision in decisions}
    for item in state.get_interruptions():
        decision = by_id.get(item.call_id or "")
        if decision is None:
            continue
        if decision.approved:
            state.approve(item)
        else:
            state.reject(item, rejection_message=_rejection(decision.reason))


def _rejection(reason: str) -> str:
    return "Tool call not allowed." + (f" Reason: {reason}" if reason else "")


def _pending(item: ToolApprovalItem, told_name: Callable[[str], str]) -> PendingCall:
    origin = item.tool_origin
    return PendingCall(
        id=item.call_id or "",
        tool=told_name(item.tool_name or ""),
        toolbox=(origin and origin.mcp_server_name) or "",
        arguments=item.arguments or "{}",
    )


def _usage_of(result: RunResultStreaming | None) -> Usage:
    if result is None:
        return Usage()
    counted = result.context_wrapper.usage
    return usage_of(counted, counted.requests)


@cache
def _config() -> RunConfig:
    """One for all runs: making one evaluates its type hints, which takes a tenth of what an agent takes in all."""
    # One tool call after the other: results count in the order of the calls (specification section 5).
    return RunConfig(tracing_disabled=True, tool_execution=ToolExecutionConfig(max_function_tool_concurrency=1))
