"""Model clients: one per endpoint and key in a worker, shared by all agent runs."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from activities.agents.local_model import LocalModel
from activities.endpoint_limits.endpoint_queue import Waits
from activities.endpoint_limits.endpoint_queues import EndpointQueues, ModelQueue
from activities.model_endpoint.client import connect
from grammar.errors import BadRequest, ModelAccess, UserError
from grammar.messages.activity_requests import ModelSpec
from grammar.model_access import endpoint, messages_settings
from grammar.model_access.endpoint import Endpoint
from grammar.model_access.prices import EMBEDDED
from grammar.templating import env_allow

if TYPE_CHECKING:
    from agents import Model, ModelSettings
    from openai import AsyncOpenAI


class ModelClients:
    """Make models on clients that are kept open. One per worker."""

    def __init__(self, local: LocalModel, queues: EndpointQueues | None = None) -> None:
        self._local = local
        self._queues = queues or EndpointQueues()
        self._clients: dict[tuple[Endpoint, bool], AsyncOpenAI] = {}

    async def model(self, spec: ModelSpec) -> tuple[Model, str]:
        """Return the model, and its name for the record.

        Raises ModelAccess where its `token` is not set or must not be sent, its endpoint is no URL, or there is none.
        """
        from agents import OpenAIChatCompletionsModel, OpenAIResponsesModel

        from activities.messages_api.messages_model import MessagesModel

        chosen = _chosen(spec)
        api_type = spec.api_type if chosen.url else "chat_completions"
        client = await self._client(chosen, api_type)
        if chosen.url is None:
            return OpenAIChatCompletionsModel(self._local.name, client), f"{self._local.name}{EMBEDDED}"
        name = endpoint.model_name(spec, os.environ)
        if api_type == "messages":
            return MessagesModel(name, client), name
        kind = OpenAIResponsesModel if api_type == "responses" else OpenAIChatCompletionsModel
        return kind(name, client), name

    def queue(self, spec: ModelSpec, waits: Waits) -> ModelQueue | None:
        """Return where requests to the model wait for their turn; None for the embedded one. Raises as `model` does.

        `waits`: is told that one waits, and that it does not any more.
        """
        name = endpoint.model_name(spec, os.environ)
        queue = self._queues.of(_chosen(spec), spec, name)
        return ModelQueue(queue, name, waits) if queue else None

    async def close(self) -> None:
        """Close all clients, and stop the embedded model."""
        await self._queues.close()
        for client in self._clients.values():
            await client.close()
        self._local.close()

    async def _client(self, chosen: Endpoint, api_type: str) -> AsyncOpenAI:
        kept = (chosen, api_type == "messages")
        if kept not in self._clients:
            url = chosen.url or await self._local.url()
            self._clients.setdefault(kept, connect(url, chosen, api_type))
        return self._clients[kept]


def _chosen(spec: ModelSpec) -> Endpoint:
    if spec.token and not env_allow.is_allowed(spec.token, os.environ):
        raise ModelAccess(env_allow.refusal(spec.token))
    if spec.token and not os.environ.get(spec.token):
        raise ModelAccess(f"the model's token {spec.token} is not set on the worker")
    try:
        chosen = endpoint.choose(spec, os.environ)
    except UserError as error:
        raise ModelAccess(str(error)) from error
    if spec.token and chosen.withheld:
        raise ModelAccess(
            f"the model's token {spec.token} is not sent to the endpoint of a .env that nobody named: give the model "
            "an `endpoint`, put the key into the file, or name the file with --env-file"
        )
    return chosen


def _temperature(text: str) -> float:
    """Raises BadRequest for what is no number."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise BadRequest(f"MODEL_TEMP is {text!r}; set it to a number, as 0.7, where the worker runs")
    return value


def settings(spec: ModelSpec, with_tools: bool) -> ModelSettings:
    """Return the settings that go to the model (specification section 6). Raises BadRequest for values the SDK refuses.

    `with_tools`: whether the agent has tools; some settings go with tools only.
    """
    from agents import ModelSettings

    is_messages = spec.api_type == "messages"
    chosen: dict[str, Any] = messages_settings.parameters(spec.settings) if is_messages else dict(spec.settings)
    if spec.api_type == "chat_completions":
        chosen.setdefault("temperature", _temperature(os.environ.get("MODEL_TEMP") or "0"))
    if with_tools and not is_messages:
        chosen.setdefault("tool_choice", "auto")
        chosen.setdefault("parallel_tool_calls", bool(os.environ.get("MODEL_PARALLEL_TOOL_CALLS")))
    fields = ModelSettings.__dataclass_fields__
    known = {name: value for name, value in chosen.items() if name in fields}
    extra = {name: value for name, value in chosen.items() if name not in fields}
    try:
        # What the SDK has no field for goes to the endpoint as it is.
        body = {**extra, **(known.pop("extra_body", None) or {})}
        # False leaves `stream_options` out: there are endpoints that refuse it, whatever it holds.
        usage = None if known.pop("include_usage", True) is False else True
        return ModelSettings(extra_body=body or None, include_usage=usage, **known)
    except (TypeError, ValueError) as error:
        raise BadRequest(f"model_settings: {error}".splitlines()[0]) from None
