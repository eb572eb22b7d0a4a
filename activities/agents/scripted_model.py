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

from activities.agents.dry_run_answers import DryRunAnswers, Placeholders, print_prompt
from activities.process.transcript import Transcript
from grammar.documents.rules import HANDOFF, BranchScript, Rule, ScriptedError
from grammar.messages.activity_requests import AgentRequest

TOOL = "dry_run"
NAME = "dry run"


async def rehearsed(
    request: AgentRequest, rehearsal: BranchScript, rehearsals: DryRunAnswers, transcript: Transcript
) -> tuple[Model, str, list[Tool]]:
    """The model of a dry run, its name for the record, and the tool that gives its placeholders."""
    if request.leg is None:
        print_prompt(rehearsal, request.agents[0].name, request.prompt, transcript)
    placeholders = await rehearsals.placeholders(request, rehearsal)
    model = RuleModel(rehearsal, rehearsals, placeholders)
    return model, request.model.name or NAME, [_tool(placeholders)] if _gives_results(rehearsal, placeholders) else []


class RuleModel(Model):
    """The SDK's own scripted model, with the rule that fits as its next step."""

    def __init__(self, rehearsal: BranchScript, rehearsals: DryRunAnswers, placeholders: Placeholders) -> None:
        self._rehearsal = rehearsal
        self._rehearsals = rehearsals
        self._placeholders = placeholders

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """As the interface says; the second argument is the conversation."""
        return await (await self._next(args[1])).get_response(*args, **kwargs)

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        """As get_response, in events."""
        model = await self._next(args[1])
        async for event in model.stream_response(*args, **kwargs):
            yield event

    async def _next(self, conversation: str | list[Any]) -> ScriptedModel:
        said = heard(conversation)
        rule = await self._rehearsals.rule(self._rehearsal, said.prompt, said.turn)
        if rule and rule.error:
            return ScriptedModel([ModelStep.raise_error(_status_error(rule.error))])
        return ScriptedModel([self._answer(rule, said)], default_usage=Usage())

    def _answer(self, rule: Rule | None, said: "Heard") -> list[TResponseOutputItem]:
        if rule and rule.tool_calls:
            return [_call(call.name, call.arguments) for call in rule.tool_calls]
        if rule and rule.text is not None:
            return [assistant_message(rule.text)]
        if rule and not said.has_result:
            return [_call(TOOL, {"result": rule.result})]
        return self._placeholder(said)

    def _placeholder(self, said: "Heard") -> list[TResponseOutputItem]:
        if said.has_result or not self._placeholders.results:
            return [assistant_message(self._placeholders.text)]
        return [_call(TOOL, {}) for _ in range(self._placeholders.results)]


@dataclass(frozen=True)
class Heard:
    """Where a conversation stands. `turn`: of the model, from 1. `has_result`: a tool answered since the prompt."""

    prompt: str
    turn: int
    has_result: bool


def heard(conversation: str | list[Any]) -> Heard:
    """What the model is asked now; `conversation` in the form of the Responses API."""
    items = [{"role": "user", "content": conversation}] if isinstance(conversation, str) else conversation
    # What the model said in one turn stands together: two calls are two items.
    turns = sum(by_model for by_model, _ in groupby(items, key=_by_model))
    users = [place for place, item in enumerate(items) if item.get("role") == "user"]
    since = items[users[-1] :] if users else items
    return Heard(_text(items[users[-1]]) if users else "", turns + 1, _has_result(since))


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


def _gives_results(rehearsal: BranchScript, placeholders: Placeholders) -> bool:
    return placeholders.results > 0 or any(one.rule.result is not None for one in rehearsal.rules)


def _tool(placeholders: Placeholders) -> Tool:
    async def give(_: object, arguments: str) -> str:
        given = json.loads(arguments or "{}")
        return json.dumps(given["result"], ensure_ascii=False) if "result" in given else placeholders.result

    schema = {"type": "object", "properties": {"result": {}}}
    return FunctionTool(TOOL, "Gives what a tool would have given.", schema, give, strict_json_schema=False)


def _status_error(error: ScriptedError) -> openai.APIStatusError:
    """What the client raises when an endpoint answers so."""
    headers = {"retry-after": str(error.retry_after)} if error.retry_after is not None else {}
    response = httpx2.Response(error.status, headers=headers, request=httpx2.Request("POST", "http://dry-run"))
    return openai.APIStatusError(error.message, response=response, body={"message": error.message})
