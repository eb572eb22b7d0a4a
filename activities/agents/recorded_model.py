"""A model whose answers are written down, and not asked for again."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from agents import Model, ModelResponse
from agents.items import TResponseStreamEvent
from openai.types.responses import ResponseCompletedEvent

from activities.storage.journal import Journal


class RecordedModel(Model):
    """Answers from the journal as far as that goes, then asks `model`. `stopping`: nothing new is to be begun."""

    def __init__(self, model: Model, journal: Journal, stopping: Callable[[], bool]) -> None:
        self._model = model
        self._journal = journal
        self._stopping = stopping

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Raises RuntimeError: runs are streamed, nothing asks like this."""
        raise RuntimeError("an agent run asks for streams only")

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        """The answer in events; a recorded one is the last event alone."""
        if recorded := self._journal.next_answer():
            yield ResponseCompletedEvent(type="response.completed", response=recorded, sequence_number=0)
            return
        if self._stopping():
            self._journal.stop()
        async for event in self._model.stream_response(*args, **kwargs):
            if isinstance(event, ResponseCompletedEvent):
                await self._journal.answered(event.response)
            yield event
