"""The client of a model's endpoint: what goes along with each request, its key above all."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from grammar.limits import SILENCE
from grammar.model_access import endpoint
from grammar.model_access.endpoint import Endpoint

if TYPE_CHECKING:
    import httpx2
    from openai import AsyncOpenAI

CONNECT_TIMEOUT = 5.0
"""Seconds."""

# Connections to one endpoint, from one process. All of them are kept for the next turn, and longer than most tool calls
# take, so that turns do not pay for connecting. Seconds.
MOST_CONNECTIONS = 1_000
CONNECTION_IDLE = 30.0

MESSAGES_VERSION = "2023-06-01"
"""The version of the Messages API that is asked for: what other providers have, and the last with a `temperature`."""


def connect(url: str, chosen: Endpoint, api_type: str) -> AsyncOpenAI:
    """Return a client for the endpoint. `url`: its base URL, where `chosen` has none. `api_type`: the model's."""
    from httpx2 import Limits
    from openai import AsyncOpenAI, DefaultAsyncHttpx2Client, Timeout

    from activities.model_endpoint.checked_response import check

    base, query = endpoint.split_query(url)
    key = KeyHeader(endpoint.key_header(chosen, api_type), chosen.key, base)
    # Retries are Temporal's: one layer of them, which people can see.
    return AsyncOpenAI(
        base_url=base.rstrip("/").removesuffix("/v1") if api_type == "messages" else base,
        default_query=query,
        api_key=chosen.key or "none",
        max_retries=0,
        timeout=Timeout(SILENCE.value, connect=CONNECT_TIMEOUT),
        default_headers=_headers(chosen, api_type, os.environ),
        http_client=DefaultAsyncHttpx2Client(
            event_hooks={"request": [key.put], "response": [check]},
            mounts=endpoint.PAST_PROXIES,
            limits=Limits(
                max_connections=MOST_CONNECTIONS,
                max_keepalive_connections=MOST_CONNECTIONS,
                keepalive_expiry=CONNECTION_IDLE,
            ),
        ),
    )


@dataclass(frozen=True)
class KeyHeader:
    """Puts the key into requests, under the header that the endpoint reads. `key` None: none is to be sent."""

    name: str
    key: str | None
    url: str

    async def put(self, request: httpx2.Request) -> None:
        """Put it in; or take out what the client insists on. What a redirect leads to elsewhere does not get it."""
        if self.name == "Authorization" and self.key:
            return  # the client's own, which it leaves out elsewhere by itself
        request.headers.pop("Authorization", None)
        request.headers.pop(self.name, None)
        if self.key and endpoint.is_same_host(str(request.url), self.url):
            request.headers[self.name] = self.key


def _headers(chosen: Endpoint, api_type: str, environ: Mapping[str, str]) -> dict[str, Any]:
    is_openais = chosen.is_environments and api_type != "messages"
    headers: dict[str, Any] = {} if is_openais else _not_the_environments(chosen, environ)
    if api_type == "messages":
        headers["anthropic-version"] = MESSAGES_VERSION
    return headers | endpoint.copilot_headers(chosen, environ)


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
