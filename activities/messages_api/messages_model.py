"""A model of the agents SDK that is asked through Anthropic's Messages API (docs/decisions/0029)."""

from collections.abc import AsyncIterator
from typing import Any

from agents import Model, ModelResponse, ModelSettings
from agents.items import TResponseStreamEvent
from openai import AsyncOpenAI, AsyncStream

from activities.messages_api.request import body
from activities.messages_api.response import MessageResponse

PATH = "/v1/messages"


class MessagesModel(Model):
    """Ask the model `name` of the endpoint behind `client`, whose responses pass `checked_response.check`."""

    def __init__(self, name: str, client: AsyncOpenAI) -> None:
        self._name = name
        self._client = client

    async def get_response(self, *args: Any, **kwargs: Any) -> ModelResponse:
        """Raise RuntimeError: all runs are streamed."""
        raise RuntimeError("an agent run asks for streams only")

    async def stream_response(  # type: ignore[override]
        self, instructions: str | None, given: Any, settings: ModelSettings, tools: Any, schema: Any, handoffs: Any,
        *_: Any, **__: Any,
    ) -> AsyncIterator[TResponseStreamEvent]:  # fmt: skip
        """Yield the answer in events of the Responses API. Raises what the client raises, and TaskError."""
        events = await self._client.post(
            PATH,
            body=body(self._name, instructions, given, settings, tools, schema, handoffs),
            options={"headers": dict(settings.extra_headers or {}), "params": dict(settings.extra_query or {})},
            cast_to=object,
            stream=True,
            stream_cls=AsyncStream[object],
        )
        answer = MessageResponse()
        async with events:
            async for event in events:
                for told in answer.take(event):
                    yield told
