"""MCP servers for one agent run: started, offered to the agent, ended."""

import asyncio
import os
import sysconfig
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import IO, Any

from agents import ModelBehaviorError, RunContextWrapper, UserError
from agents.mcp import MCPServer, MCPServerStdio, MCPServerStdioParams, create_static_tool_filter
from agents.mcp.util import MCPToolCustomDataContext
from mcp import MCPError, stdio_client
from mcp.types import INVALID_PARAMS

from activities.failures import one_line
from activities.render import Renderer
from grammar.contracts import Surroundings
from grammar.errors import MissingVariable, TemplateFailed, ToolboxFailed
from grammar.models import ServerParams, Toolbox
from grammar.templates import Environ, Templates

PASSED_ON = (
    "HOME", "PATH", "LOGNAME", "SHELL", "TERM", "USER",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "no_proxy", "all_proxy",
)  # fmt: skip
START_TIMEOUT = 60.0
STDERR_TAIL = 1_000


@dataclass(frozen=True)
class Resolved:
    """A toolbox's parameters with their templates rendered. They may hold secrets: for use only."""

    name: str
    params: ServerParams
    used: dict[str, str] = field(default_factory=dict, repr=False)
    warnings: tuple[str, ...] = ()


def resolve(name: str, params: ServerParams, surroundings: Surroundings, environ: Environ) -> Resolved | TemplateFailed:
    """Render the texts of `server_params`. An `env` entry whose variable is missing is dropped with a warning."""
    templates = Templates({"globals": surroundings.globals}, environ, {}, surroundings.key)
    warnings: list[str] = []

    def text(template: str | None) -> str | None:
        return templates.render(template) if template and "{" in template else template

    try:
        env = {}
        for variable, template in params.env.items():
            try:
                env[variable] = text(template) or ""
            except MissingVariable as missing:
                warnings.append(f"{name}: env {variable} left out: {missing.name} is not set on the worker")
        args = tuple(text(arg) or "" for arg in params.args)
        update = {"command": text(params.command), "args": args, "env": env}
    except TemplateFailed as error:
        return TemplateFailed(f"toolbox {name}: {error}")
    return Resolved(name, params.model_copy(update=update), environ.used, tuple(warnings))


class Toolboxes:
    """Opens the toolboxes of an agent run. One per worker."""

    def __init__(self, renderer: Renderer) -> None:
        self._renderer = renderer

    async def resolve(
        self, toolboxes: Mapping[str, Toolbox], surroundings: Surroundings, task_env: Mapping[str, str]
    ) -> list[Resolved]:
        """The toolboxes' parameters, rendered. Raises TemplateFailed."""
        found = []
        for name, toolbox in toolboxes.items():
            environ = Environ(dict(os.environ), task_env)
            resolved = await self._renderer(resolve, name, toolbox.server_params, surroundings, environ)
            if isinstance(resolved, TemplateFailed):
                raise resolved
            found.append(resolved)
        return found


@asynccontextmanager
async def serving(
    resolved: list[Resolved], toolboxes: Mapping[str, Toolbox], blocked: list[str]
) -> AsyncIterator[list[MCPServer]]:
    """The servers, started side by side; all are ended afterwards. Raises ToolboxFailed."""
    async with AsyncExitStack() as stack:
        servers = [await stack.enter_async_context(_server(one, toolboxes[one.name], blocked)) for one in resolved]
        yield list(servers)


@asynccontextmanager
async def _server(resolved: Resolved, toolbox: Toolbox, blocked: list[str]) -> AsyncIterator[MCPServer]:
    with tempfile.TemporaryFile() as stderr:
        server = StdioServer(resolved, toolbox, blocked, stderr)
        try:
            try:
                async with asyncio.timeout(START_TIMEOUT):
                    await server.connect()  # type: ignore[no-untyped-call]
                    await server.list_tools()
            except Exception as error:  # whatever a foreign server does at its start is its failure
                raise ToolboxFailed(_why(resolved.name, "did not start", error, stderr)) from None
            yield server
        finally:
            await server.cleanup()  # type: ignore[no-untyped-call]


class StdioServer(MCPServerStdio):
    """A server process whose stderr goes into a file of ours, and whose results keep their structure."""

    def __init__(self, resolved: Resolved, toolbox: Toolbox, blocked: list[str], stderr: IO[bytes]) -> None:
        params = resolved.params
        super().__init__(
            MCPServerStdioParams(
                command=params.command or "",
                args=list(params.args),
                env=environment(os.environ, params.env),
                encoding_error_handler="replace",
            ),
            name=resolved.name,
            cache_tools_list=True,
            client_session_timeout_seconds=toolbox.session_timeout,
            tool_filter=create_static_tool_filter(blocked_tool_names=blocked) if blocked else None,
            custom_data_extractor=_keep_structure,
            failure_error_function=self._failed,
        )
        self._stderr = stderr

    def _failed(self, _: RunContextWrapper[Any], error: Exception) -> str:
        """Arguments that do not fit go back to the model; a server that is lost fails the attempt (section 5, 7)."""
        if isinstance(error, ModelBehaviorError | UserError) or (
            isinstance(error, MCPError) and error.code == INVALID_PARAMS
        ):
            return one_line(str(error))
        raise ToolboxFailed(_why(self.name, "was lost", error, self._stderr)) from None

    def create_streams(self) -> Any:
        """As the SDK does, but with our file for stderr."""
        return stdio_client(self.params, errlog=self._stderr)  # type: ignore[arg-type]


def environment(process: Mapping[str, str], toolbox: Mapping[str, str]) -> dict[str, str]:
    """What a server process sees: no key of ours. Commands of this installation are found last on PATH."""
    passed = {name: process[name] for name in PASSED_ON if name in process}
    path = os.pathsep.join(filter(None, [passed.get("PATH"), sysconfig.get_path("scripts")]))
    return {**passed, "PATH": path, **toolbox}


def _keep_structure(context: MCPToolCustomDataContext) -> dict[str, Any]:
    structured = context.structured_content
    return {"tool_name": context.tool_name, "structured": dict(structured) if structured is not None else None}


def _why(name: str, what: str, error: BaseException, stderr: IO[bytes]) -> str:
    stderr.seek(0, os.SEEK_END)
    stderr.seek(max(0, stderr.tell() - STDERR_TAIL))
    tail = stderr.read().decode(errors="replace").strip()
    reason = f"no answer within {START_TIMEOUT:g} s" if isinstance(error, TimeoutError) else str(error)
    said = one_line(reason) or type(error).__name__
    return f"toolbox {name} {what}: {said}" + (f"\n{tail}" if tail else "")
