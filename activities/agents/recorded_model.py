"""A model whose answers are written down, and not asked for again; and of which only a usable answer counts."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import openai
from agents import Model, ModelResponse, ModelSettings
from agents.items import TResponseStreamEvent
from openai.types.responses import Response, ResponseCompletedEvent, ResponseUsage

from activities.agents import model_errors, tool_outputs
from activities.agents.mixed_conversation import MixedConversation
from activities.agents.spending import AllowedSpending
from activities.agents.tool_outputs import ImagePlace
from activities.endpoint_limits.endpoint_queues import ModelQueue
from activities.model_endpoint.answer import Answer, awaiting
from activities.model_endpoint.foreign_json import plain_arguments
from activities.model_endpoint.token_counts import TokenCounts
from activities.storage.journal import Journal
from activities.toolboxes.offered_tools import OfferedTools
from grammar.errors import AnswerCut, BadRequest, EmptyAnswer, ModelRefused, RateLimited, TaskError

CUT = {
    "max_tokens": "the model's answer was cut off at its limit of tokens: raise `max_tokens` in `model_settings` "
    "(`max_output_tokens`, for some endpoints), or ask for less",
    "content_filter": "the model's answer was cut off by the provider's content filter",
}
TOY_CUT = "the toy model's answer was cut off; it is taken as it is, as what a toy says is to try a flow with"
# Of an answer whose endpoint told no usage: the SDK counts the request all the same, now and from the journal.
NOTHING_COUNTED = ResponseUsage.model_validate(TokenCounts().as_response_usage())
CHARACTERS_OF_TOKEN = 4
# Statuses of a request that cannot be taken as it is. Others count where they speak of images: OpenRouter says 404.
REFUSALS = (400, 413, 415, 422)


class RecordedModel(Model):
    """Answer from the journal as far as that goes, then ask `model`, and record its responses.

    `stopping`: whether the worker has been told to stop: nothing new is begun then. `is_value`: the final text is the
    task's value, so that it may not be empty, nor cut. `warnings`: takes what a person should know of them.
    `offered`: the tools; it is told which are called. `images`: where the model's API takes images of tools. `is_toy`:
    it is the embedded model, whose answers count where they are cut, too: it is no model that could say more. `mixed`:
    what of the conversation it gets, where another model has answered before. `spending`: what it may spend.
    `queue`: where requests wait for their turn; None: nowhere.
    """

    def __init__(
        self,
        model: Model,
        journal: Journal,
        stopping: Callable[[], bool],
        is_value: bool,
        warnings: list[str],
        offered: OfferedTools,
        spending: AllowedSpending,
        images: ImagePlace = "nowhere",
        is_toy: bool = False,
        mixed: MixedConversation | None = None,
        queue: ModelQueue | None = None,
    ) -> None:
        self._model = model
        self._journal = journal
        self._stopping = stopping
        self._is_value = is_value
        self._warnings = warnings
        self._offered = offered
        self._spending = spending
        self._images = images
        self._is_toy = is_toy
        self._mixed = mixed or MixedConversation()
        self._queue = queue

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Raise RuntimeError: all runs are streamed."""
        raise RuntimeError("an agent run asks for streams only")

    async def stream_response(  # type: ignore[override]
        self, instructions: str | None, given: Any, settings: ModelSettings, tools: Any, schema: Any, handoffs: Any,
        *args: Any, **kwargs: Any,
    ) -> AsyncIterator[TResponseStreamEvent]:  # fmt: skip
        """Yield the answer in events; a recorded one is the last event alone. Raises TaskError for one of no use."""
        if recorded := self._journal.next_response():
            self._mixed.note(recorded, is_own=not self._journal.is_of_another)
            recorded.usage = recorded.usage or NOTHING_COUNTED
            yield ResponseCompletedEvent(type="response.completed", response=recorded, sequence_number=0)
            return
        if self._stopping():
            self._journal.leave_off("stopped")
        if not tools and not handoffs:  # endpoints refuse settings about tools where there are none
            settings = replace(settings, tool_choice=None, parallel_tool_calls=None)
        rest = (settings, tools, schema, handoffs, *args)
        try:
            async for event in self._ask(instructions, given, rest, kwargs):
                yield event
        except EmptyAnswer:
            async for event in self._ask(instructions, given, rest, kwargs):
                yield event
        except (openai.APIStatusError, BadRequest) as error:
            if not self._gives_up_images(error, given):
                raise
            async for event in self._ask(instructions, given, rest, kwargs):
                yield event

    async def _ask(
        self, instructions: str | None, given: Any, rest: Sequence[Any], kwargs: Mapping[str, Any]
    ) -> AsyncIterator[TResponseStreamEvent]:
        """Yield an answer of the model, once it is written down. Raises TaskError for one of no use, which is noted."""
        taken = self._mixed.as_sent(tool_outputs.as_taken(given, self._images))
        with awaiting(_call_ids(given)) as answer:
            async with self._in_turn(instructions, taken, answer), self._spending.request():
                async for event in self._model.stream_response(instructions, taken, *rest, **kwargs):
                    if isinstance(event, ResponseCompletedEvent):
                        event.response.usage = event.response.usage or NOTHING_COUNTED
                        await self._take(event.response, answer)
                    yield event

    @asynccontextmanager
    async def _in_turn(self, instructions: str | None, given: Any, answer: Answer) -> AsyncIterator[None]:
        """Ask the endpoint in the block, when it is this request's turn, and tell the others what it says of limits."""
        if self._queue is None:
            yield
            return
        tokens = _tokens(instructions, given) if self._queue.counts_tokens else 0.0
        async with self._queue.place(tokens):
            try:
                yield
            except (*model_errors.EXPECTED, TaskError) as error:
                if isinstance(told := model_errors.from_exception(error), RateLimited):
                    self._queue.refused(told.retry_after, answer.headers)
                raise
            self._queue.answered(answer.headers, tokens, answer.tokens)

    async def _take(self, response: Response, answer: Answer) -> None:
        answer.tokens = response.usage.total_tokens if response.usage else 0
        for item in response.output:
            if item.type == "function_call" and (arguments := plain_arguments(item.arguments)) != item.arguments:
                item.arguments = arguments
                answer.repaired("halves of characters")
        if unusable := self._unusable(response, answer):
            await self._journal.record_unusable(response, type(unusable).__name__)
            raise unusable
        called = self._offered.note_calls(item.name for item in response.output if item.type == "function_call")
        await self._journal.record_response(response, called)
        self._mixed.note(response, is_own=True)

    def _gives_up_images(self, error: openai.APIStatusError | BadRequest, given: Any) -> bool:
        """Return whether images that went along may be what is refused: from now on, none do."""
        status = error.status_code if isinstance(error, openai.APIStatusError) else 400
        may_be = status in REFUSALS or "image" in str(error).lower()
        if self._images == "nowhere" or not may_be or not tool_outputs.has_images(given):
            return False
        self._images = "nowhere"
        self._warn("the model endpoint refused a request with images of tools; the model was told what they are")
        return True

    def _unusable(self, response: Response, answer: Answer) -> TaskError | None:
        """Return why nothing can come of an answer; None where it can be used."""
        if refusal := _refusal(response):
            return ModelRefused(f"the model refused: {refusal}")
        is_final = not any(item.type == "function_call" for item in response.output)
        if answer.cut:
            why = CUT.get(answer.cut, f"the model's answer was cut off: {answer.cut}")
            if self._is_value and is_final and not self._is_toy:
                return AnswerCut(why)
            self._warn(TOY_CUT if self._is_toy else why)
        if self._is_value and is_final and not response.output_text.strip():
            return EmptyAnswer("the model answered with nothing, and with nothing again when it was asked once more")
        for repair in answer.repairs:
            self._warn(f"the model endpoint sent {repair}, and was understood")
        return None

    def _warn(self, warning: str) -> None:
        if warning not in self._warnings:
            self._warnings.append(warning)


def _tokens(instructions: str | None, given: Any) -> float:
    """Return about how many tokens a request reads: a token has some four characters."""
    return (len(instructions or "") + len(str(given))) / CHARACTERS_OF_TOKEN


def _call_ids(given: Any) -> Sequence[str]:
    """Return the ids of the conversation's tool calls so far."""
    items = given if isinstance(given, list) else ()
    return [
        str(item.get("call_id")) for item in items if isinstance(item, dict) and item.get("type") == "function_call"
    ]


def _refusal(response: Response) -> str:
    parts = [part for item in response.output if item.type == "message" for part in item.content]
    return "\n".join(part.refusal for part in parts if part.type == "refusal")
