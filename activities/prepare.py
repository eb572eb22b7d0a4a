"""Whether a task runs, over which items, with which prompts."""

import os

from temporalio import activity

from activities.failures import reported
from activities.render import Renderer
from grammar import contracts, preparation
from grammar.contracts import Page, PrepareRequest


class Prepare:
    """The `prepare` activity."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    @activity.defn(name=contracts.PREPARE)
    async def prepare(self, request: PrepareRequest) -> Page:
        """A page of branches, ready to be deployed. What its texts took from `env()` stands as references."""
        with reported(str):
            found = await self._renderer(preparation.page, request, dict(os.environ))
            if isinstance(found, preparation.Failed):
                raise found.kind(found.message)
            return found
