"""Model clients: one per endpoint and key in a worker, shared by all agent runs."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from activities.agents.local_model import LocalModel
from grammar.errors import BadRequest, ModelAccess, UserError
from grammar.limits import SILENCE
from grammar.messages.activity_requests import ModelSpec
from grammar.model_access import endpoint
from grammar.model_access.endpoint import Endpoint
from grammar.model_access.prices import EMBEDDED
from grammar.templating import env_allow

if TYPE_CHECKING:
    from agents import Model, ModelSettings
    from openai import AsyncOpenAI

CONNECT_TIMEOUT = 5.0
"""Seconds."""

# Connections to one endpoint, from one process. All of them are kept for the next turn, and longer than most tool calls
# take, so that turns do not pay for connecting. Seconds.
MOST_CONNECTIONS = 1_000
CONNECTION_IDLE = 30.0


class ModelClients:
    """Make models on clients that are kept open. One per worker."""

    def __init__(self, local: LocalModel) -> None:
        self._local = local
        self._clients: dict[Endpoint, AsyncOpenAI] = {}

    async def model(self, spec: ModelSpec) -> tuple[Model, str]:
        """Return the model, and its name for the record.

        Raises ModelAccess where its `token` is not set or must not be sent, its endpoint is no URL, or there is none.
        """
        from agents import OpenAIChatCompletionsModel, OpenAIResponsesModel

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
    from httpx2 import Limits
    from openai import AsyncOpenAI, DefaultAsyncHttpx2Client, Timeout

    from activities.model_endpoint.checked_response import check

    headers = {"Copilot-Integration-Id": "vscode-chat"} if chosen.copilot else {}
    headers |= {} if chosen.is_environments else _not_the_environments(chosen, os.environ)
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
        http_client=DefaultAsyncHttpx2Client(
            event_hooks=hooks,
            mounts=endpoint.PAST_PROXIES,
            limits=Limits(
                max_connections=MOST_CONNECTIONS,
                max_keepalive_connections=MOST_CONNECTIONS,
                keepalive_expiry=CONNECTION_IDLE,
            ),
        ),
    )


def _not_the_environments(chosen: Endpoint, environ: Mapping[str, str]) -> dict[str, Any]:
    """Return headers in place of those that the client takes from the environment: they are for another endpoint."""
    from openai import Omit

    lines = environ.get("OPENAI_CUSTOM_HEADERS", "").split("\n")
    names = [
        "OpenAI-Organization",
        "OpenAI-Project",
        *(line.partition(":")[0].strip() for line in lines if ":" in line),
    ]
    left_out: dict[str, Any] = {name: Omit() for name in names if name.lower() != "authorization"}
    return {**left_out, "Authorization": f"Bearer {chosen.key or 'none'}"}


async def _without_key(request: Any) -> None:
    """Take the key out that the client insists on: an endpoint without a key of its own gets none."""
    request.headers.pop("Authorization", None)
