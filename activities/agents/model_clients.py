"""Model clients: one per endpoint and key in a worker, shared by all agent runs."""

from __future__ import annotations

import math
import os
from typing import TYPE_CHECKING, Any

from activities.agents.local_model import LocalModel
from grammar.errors import BadRequest, ModelAccess, UserError
from grammar.limits import SILENCE
from grammar.messages.activity_requests import ModelSpec
from grammar.model_access import endpoint
from grammar.model_access.endpoint import Endpoint
from grammar.model_access.prices import EMBEDDED

if TYPE_CHECKING:
    from agents import Model, ModelSettings
    from openai import AsyncOpenAI

CONNECT_TIMEOUT = 5.0
"""Seconds."""


class ModelClients:
    """Make models on clients that are kept open. One per worker."""

    def __init__(self, local: LocalModel) -> None:
        self._local = local
        self._clients: dict[Endpoint, AsyncOpenAI] = {}

    async def model(self, spec: ModelSpec) -> tuple[Model, str]:
        """Return the model, and its name for the record.

        Raises ModelAccess where its `token` is not set, its endpoint is no URL, or there is none.
        """
        from agents import OpenAIChatCompletionsModel, OpenAIResponsesModel

        if spec.token and not os.environ.get(spec.token):
            raise ModelAccess(f"the model's token {spec.token} is not set on the worker")
        chosen = _chosen(spec)
        client = await self._client(chosen)
        if chosen.url is None:
            return OpenAIChatCompletionsModel(self._local.name, client), f"{self._local.name}{EMBEDDED}"
        name = endpoint.model_name(spec, os.environ)
        kind = OpenAIResponsesModel if spec.api_type == "responses" else OpenAIChatCompletionsModel
        return kind(name, client), name

    async def close(self) -> None:
        """Close all clients, and stop the embedded model."""
        for client in self._clients.values():
            await client.close()
        self._local.close()

    async def _client(self, chosen: Endpoint) -> AsyncOpenAI:
        if chosen not in self._clients:
            url = chosen.url or await self._local.url()
            self._clients.setdefault(chosen, _connect(url, chosen))
        return self._clients[chosen]


def _chosen(spec: ModelSpec) -> Endpoint:
    try:
        return endpoint.choose(spec, os.environ)
    except UserError as error:
        raise ModelAccess(str(error)) from error


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

    chosen: dict[str, Any] = dict(spec.settings)
    if spec.api_type == "chat_completions":
        chosen.setdefault("temperature", _temperature(os.environ.get("MODEL_TEMP") or "0"))
    if with_tools:
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


def _connect(url: str, chosen: Endpoint) -> AsyncOpenAI:
    from openai import AsyncOpenAI, DefaultAsyncHttpx2Client, Timeout

    from activities.model_endpoint.checked_response import check

    headers = {"Copilot-Integration-Id": "vscode-chat"} if chosen.copilot else {}
    base, query = endpoint.split_query(url)
    hooks = {"request": [] if chosen.key else [_without_key], "response": [check]}
    # Retries are Temporal's: one layer of them, which people can see.
    return AsyncOpenAI(
        base_url=base,
        default_query=query,
        api_key=chosen.key or "none",
        max_retries=0,
        timeout=Timeout(SILENCE.value, connect=CONNECT_TIMEOUT),
        default_headers=headers,
        http_client=DefaultAsyncHttpx2Client(event_hooks=hooks, mounts=endpoint.PAST_PROXIES),
    )


async def _without_key(request: Any) -> None:
    """Take the key out that the client insists on: an endpoint without a key of its own gets none."""
    request.headers.pop("Authorization", None)
