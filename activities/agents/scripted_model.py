"""A model that answers from the rules of a dry run: no request, no key, no endpoint."""

import json
import uuid
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import httpx2
import openai
from agents import FunctionTool, Model, ModelResponse, Tool, Usage
from agents.items import TResponseOutputItem, TResponseStreamEvent
from agents.testing import ModelStep, ScriptedModel, assistant_message, function_call

from activities.agents.dry_run_answers import DryRunAnswers, Placeholders, record_prompt
from activities.process.transcript import Transcript
from activities.toolboxes.offered_tools import OfferedTools
from grammar.documents.rules import HANDOFF, BranchScript, Rule, ScriptedError
from grammar.errors import UnknownTool
from grammar.messages.activity_requests import AgentRequest

TOOL = "dry_run"
NAME = "dry run"


async def dry_run_model(
    request: AgentRequest,
    dry_run: BranchScript,
    answers: DryRunAnswers,
    transcript: Transcript,
    offered: OfferedTools,
) -> tuple[Model, str, list[Tool]]:
    """Return the model of a dry run, its name for the record, and the tool that returns its placeholders, if any."""
    if request.leg is None:
        record_prompt(dry_run, request.agents[0].name, request.prompt, transcript)
    placeholders = await answers.placeholders(request, dry_run)
    model = RuleModel(dry_run, answers, placeholders, offered)
    return model, request.model.name or NAME, [_tool(placeholders)] if _gives_results(dry_run, placeholders) else []


class RuleModel(Model):
    """Answer as the rule that fits says, else with placeholders. Each turn is one of the SDK's own scripted model."""

    def __init__(
        self, dry_run: BranchScript, answers: DryRunAnswers, placeholders: Placeholders, offered: OfferedTools
    ) -> None:
        self._dry_run = dry_run
        self._answers = answers
        self._placeholders = placeholders
        self._offered = offered

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Return the answer. The second argument is the conversation, as the SDK's interface has it."""
        return await (await self._next(args[1])).get_response(*args, **kwargs)

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Yield the events of the answer. The second argument is the conversation."""
        model = await self._next(args[1])
        async for event in model.stream_response(*args, **kwargs):
            yield event

    async def _next(self, conversation: str | list[Any]) -> ScriptedModel:
        state = conversation_state(conversation)
        rule = await self._answers.rule(self._dry_run, state.prompt, state.turn)
        if rule and rule.error:
            return ScriptedModel([ModelStep.raise_error(_status_error(rule.error))])
        return ScriptedModel([self._answer(rule, state)], default_usage=Usage())

    def _answer(self, rule: Rule | None, state: "ConversationState") -> list[TResponseOutputItem]:
        if rule and rule.tool_calls:
            return [_call(self._offered_name(call.name), call.arguments) for call in rule.tool_calls]
        if rule and rule.text is not None:
            return [assistant_message(rule.text)]
        if rule and not state.has_result:
            return [_call(TOOL, {"result": rule.result})]
        return self._placeholder(state)

    def _offered_name(self, name: str) -> str:
        """Return the name that the model sees. Raises UnknownTool for a name that several toolboxes have."""
        offered = self._offered.offered_as(name)
        if len(offered) > 1:
            raise UnknownTool(f"dry run: several toolboxes have {name}; write one of {', '.join(sorted(offered))}")
        return offered[0] if offered else name

    def _placeholder(self, state: "ConversationState") -> list[TResponseOutputItem]:
        if state.has_result or not self._placeholders.results:
            return [assistant_message(self._placeholders.text)]
        return [_call(TOOL, {}) for _ in range(self._placeholders.results)]


@dataclass(frozen=True)
class ConversationState:
    """What the model is asked now: the last prompt, and its `turn`, from 1.

    `has_result`: whether a tool, handoffs aside, has answered since the prompt.
    """

    prompt: str
    turn: int
    has_result: bool


def conversation_state(conversation: str | list[Any]) -> ConversationState:
    """Return the state of a conversation, which is a prompt or items of the Responses API."""
    items = [{"role": "user", "content": conversation}] if isinstance(conversation, str) else conversation
    # The model's items of one turn stand together: two calls are two items.
    turns = sum(by_model for by_model, _ in groupby(items, key=_by_model))
    prompts = [index for index, item in enumerate(items) if item.get("role") == "user"]
    since = items[prompts[-1] :] if prompts else items
    return ConversationState(_text(items[prompts[-1]]) if prompts else "", turns + 1, _has_result(since))


def _by_model(item: dict[str, Any]) -> bool:
    return item.get("role") == "assistant" or item.get("type") == "function_call"


def _has_result(items: Sequence[dict[str, Any]]) -> bool:
    handoffs = {item.get("call_id") for item in items if str(item.get("name", "")).startswith(HANDOFF)}
    return any(item.get("type") == "function_call_output" and item.get("call_id") not in handoffs for item in items)


def _text(message: dict[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "\n".join(part.get("text", "") for part in content)


def _call(name: str, arguments: dict[str, Any]) -> TResponseOutputItem:
    return function_call(name, arguments, call_id=f"call_{uuid.uuid4().hex[:12]}")


def _gives_results(dry_run: BranchScript, placeholders: Placeholders) -> bool:
    return placeholders.results > 0 or any(numbered.rule.result is not None for numbered in dry_run.rules)


def _tool(placeholders: Placeholders) -> Tool:
    async def give(_: object, arguments: str) -> str:
        given = json.loads(arguments or "{}")
        return json.dumps(given["result"], ensure_ascii=False) if "result" in given else placeholders.result

    schema = {"type": "object", "properties": {"result": {}}}
    return FunctionTool(TOOL, "Gives what a tool would have given.", schema, give, strict_json_schema=False)


def _status_error(error: ScriptedError) -> openai.APIStatusError:
    """Return what the client raises when an endpoint answers so."""
    headers = {"retry-after": str(error.retry_after)} if error.retry_after is not None else {}
    response = httpx2.Response(error.status, headers=headers, request=httpx2.Request("POST", "http://dry-run"))
    return openai.APIStatusError(error.message, response=response, body={"message": error.message})
