"""A model whose responses are recorded, and not asked for again."""

from collections.abc import AsyncIterator, Callable
from typing import Any

from agents import Model, ModelResponse
from agents.items import TResponseStreamEvent
from openai.types.responses import ResponseCompletedEvent

from activities.storage.journal import Journal


class RecordedModel(Model):
    """Answer from the journal as far as that goes, then ask `model`, and record its responses.

    `stopping`: returns whether the worker is stopping; then no new turn is begun.
    """

    def __init__(self, model: Model, journal: Journal, stopping: Callable[[], bool]) -> None:
        self._model = model
        self._journal = journal
        self._stopping = stopping

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Raise RuntimeError: all runs are streamed."""
        raise RuntimeError("an agent run asks for streams only")

    async def stream_response(self, *args: Any, **kwargs: Any) -> AsyncIterator[TResponseStreamEvent]:
        """Yield the events of the response; of a recorded one, the last event alone. Raises ModelUnavailable."""
        if recorded := self._journal.next_response():
            yield ResponseCompletedEvent(type="response.completed", response=recorded, sequence_number=0)
            return
        if self._stopping():
            self._journal.stop()
        async for event in self._model.stream_response(*args, **kwargs):
            if isinstance(event, ResponseCompletedEvent):
                await self._journal.record_response(event.response)
            yield event
