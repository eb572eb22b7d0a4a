"""The toolboxes of one agent run: their parameters rendered, their servers taken from the pool."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from temporalio import activity

from activities.process.render import Renderer
from activities.process.working_directory import working_directory
from activities.toolboxes.pool import ServerPool
from activities.toolboxes.server_spec import ServerSpec
from grammar.documents.models import Toolbox
from grammar.errors import TemplateFailed
from grammar.messages.activity_requests import AgentRequest, TemplateContext
from grammar.preparing.server_params import ResolvedServer, resolve
from grammar.templating.templates import Environ

if TYPE_CHECKING:
    from activities.toolboxes.server import ToolboxServer


class Toolboxes:
    """Open the toolboxes of agent runs. One per worker."""

    def __init__(self, renderer: Renderer, pool: ServerPool) -> None:
        self._renderer = renderer
        self._pool = pool

    async def resolve(
        self, toolboxes: Mapping[str, Toolbox], context: TemplateContext, task_env: Mapping[str, str]
    ) -> list[ResolvedServer]:
        """Render the toolboxes' parameters. `task_env`: the task's `env`, rendered. Raises TemplateFailed."""
        found = []
        for name, toolbox in toolboxes.items():
            environ = Environ(dict(os.environ), task_env)
            resolved = await self._renderer(resolve, name, toolbox.server_params, context, environ)
            if isinstance(resolved, TemplateFailed):
                raise resolved
            found.append(resolved)
        return found

    @asynccontextmanager
    async def servers(
        self, resolved: Sequence[ResolvedServer], request: AgentRequest
    ) -> AsyncIterator[dict[str, ToolboxServer]]:
        """Yield each toolbox's server, by the toolbox's reference; at the end they go back.

        Raises ToolboxFailed and SandboxRefused.
        """
        specs = [self._spec(server, request) for server in resolved]
        task = f"{activity.info().workflow_run_id}/{request.task}"
        async with self._pool.servers(specs, task) as servers:
            yield dict(zip(request.toolboxes, servers, strict=True))

    def _spec(self, server: ResolvedServer, request: AgentRequest) -> ServerSpec:
        toolbox = request.toolboxes[server.name]
        folder = working_directory(request.folder).path
        choice = request.sandbox if toolbox.sandbox is None else toolbox.sandbox
        policy = self._pool.sandboxes.policy(choice) if server.params.command else None
        return ServerSpec(server.name, server.params, toolbox.session_timeout, folder, policy, request.fans_out)
