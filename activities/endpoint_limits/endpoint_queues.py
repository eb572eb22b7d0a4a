"""The queues of a worker's process: one for each endpoint and key, or for a model that has limits of its own."""

import asyncio
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from temporalio.client import Client

from activities.endpoint_limits.endpoint_queue import EndpointQueue, Waits
from activities.endpoint_limits.limiter_client import Limiter, LimiterClient, LocalLimiter
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.names import limiter_queue
from grammar.model_access import endpoint
from grammar.model_access.endpoint import Endpoint


class EndpointQueues:
    """Hold the queues. `client`: reaches the limiters; None: this process keeps to limits alone.

    `scope`: of the workers that share limiters.
    """

    def __init__(self, client: Client | None = None, scope: str = "") -> None:
        self._client, self._scope = client, scope
        self._queues: dict[str, EndpointQueue] = {}

    def of(self, chosen: Endpoint, spec: ModelSpec, model: str) -> EndpointQueue | None:
        """Return the queue of a model; None for the embedded one. `model`: its name at the endpoint."""
        if chosen.url is None:
            return None
        base = endpoint.split_query(endpoint.shown(chosen.url) or "")[0].rstrip("/")
        own = model if spec.limits_are_its_own else ""
        secret = "\n".join((base, chosen.key or "", own, self._scope))
        queue = self._queues.setdefault(secret, EndpointQueue(self._limiter(secret)))
        queue.set_limits(spec.limits)
        return queue

    async def close(self) -> None:
        """End what the queues do in the background."""
        await asyncio.gather(*(queue.close() for queue in self._queues.values()))

    def _limiter(self, secret: str) -> Limiter:
        return LimiterClient(self._client, secret, limiter_queue(self._scope)) if self._client else LocalLimiter()


@dataclass(frozen=True)
class ModelQueue:
    """The queue of the endpoint of one agent run's model. `model`: its name there. `waits`: as in `place`."""

    queue: EndpointQueue
    model: str
    waits: Waits

    @property
    def counts_tokens(self) -> bool:
        """Return whether it matters how many tokens a request takes."""
        return self.queue.counts_tokens

    def place(self, tokens: float) -> AbstractAsyncContextManager[None]:
        """Wait for the turn of a request, and count it as in flight for the block. Raises RateLimited."""
        return self.queue.place(self.model, tokens, self.waits)

    def answered(self, headers: Mapping[str, str], expected: float, taken: float) -> None:
        """Take in an answer."""
        self.queue.answered(self.model, headers, expected, taken)

    def refused(self, asked: float | None, headers: Mapping[str, str]) -> None:
        """Take in that the endpoint refused a request."""
        self.queue.refused(asked, headers)
