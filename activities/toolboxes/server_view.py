"""The server of a toolbox as it is offered to the agents of one run."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from agents import ModelBehaviorError, RunContextWrapper, UserError
from agents.mcp import MCPServer
from agents.mcp.util import MCPToolCustomDataContext
from mcp.types import CallToolResult, GetPromptResult, ListPromptsResult, Tool

from activities.process.activity_errors import one_line
from activities.storage.journal import Journal
from activities.toolboxes.server import ToolboxServer
from activities.toolboxes.tool_names import Names, offered
from grammar.errors import StorageFailed, TaskError, ToolboxFailed
from grammar.messages.activity_requests import AgentRequest


def views(servers: Mapping[str, ToolboxServer], request: AgentRequest, journal: Journal) -> Iterator["ServerView"]:
    """What this run may see of each server, and under which names."""
    blocked = set(request.blocked_tools)
    tools = {name: [tool for tool in server.tools if tool.name not in blocked] for name, server in servers.items()}
    names = offered({name: [tool.name for tool in several] for name, several in tools.items()})
    for name, server in servers.items():
        yield ServerView(name, server, tools[name], names[name], request, journal)


class ServerView(MCPServer):
    """A server as one agent run sees it: which of its tools, under which names, and which need a person's yes.

    Others may use the same server at the same time, and see it differently.
    """

    def __init__(
        self,
        name: str,
        server: ToolboxServer,
        tools: Sequence[Tool],
        names: Names,
        request: AgentRequest,
        journal: Journal,
    ) -> None:
        confirm = request.toolboxes[name].confirm
        asked = [] if request.headless else [seen for seen, own in names.items() if own in confirm]
        super().__init__(
            require_approval={"always": {"tool_names": asked}},
            failure_error_function=_told,
            custom_data_extractor=_keep_structure,
        )
        self._name = name
        self._server = server
        self._names = names
        self._journal = journal
        self._careful = {tool.name for tool in tools if tool.name in confirm or _is_destructive(tool)}
        seen = {own: seen for seen, own in names.items()}
        self._tools = [tool.model_copy(update={"name": seen[tool.name]}) for tool in tools]
        self.warnings: list[str] = []

    @property
    def name(self) -> str:
        """The toolbox's reference: the same in every process, so that an interrupted run finds its tools again."""
        return self._name

    async def connect(self) -> None:
        """The pool has connected it."""

    async def cleanup(self) -> None:
        """The pool ends it."""

    async def list_tools(self, run_context: object = None, agent: object = None) -> list[Tool]:
        """The tools that this run may use."""
        return [tool.model_copy(deep=True) for tool in self._tools]

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> CallToolResult:
        """Call a tool by the name that the model sees, unless an earlier attempt has done so."""
        own = self._names[tool_name]
        try:
            return await self._journal.call(
                own, arguments, own in self._careful, lambda: self._call(own, arguments, meta)
            )
        except (ToolboxFailed, StorageFailed) as error:
            raise _Lost(error) from None

    async def _call(self, tool: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None) -> CallToolResult:
        try:
            result = await self._server.call(tool, arguments, meta)
            self._look_for_replaced_bytes(tool, result)
            return result
        except ToolboxFailed:
            raise
        except Exception as error:  # the call's own: the server still answers, and the model is told
            raise UserError(one_line(str(error) or type(error).__name__)) from None

    def _look_for_replaced_bytes(self, tool: str, result: CallToolResult) -> None:
        """Bytes that are not UTF-8 have been replaced on the way (specification section 7)."""
        warning = f"{self._name}: what {tool} gave was not UTF-8; such bytes were replaced"
        if warning not in self.warnings and any("\ufffd" in getattr(part, "text", "") for part in result.content):
            self.warnings.append(warning)

    async def list_prompts(self) -> ListPromptsResult:
        """None: an agent uses tools alone."""
        return ListPromptsResult(prompts=[])

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> GetPromptResult:
        """None, as list_prompts says."""
        raise UserError(f"there is no prompt {name}")


def _is_destructive(tool: Tool) -> bool:
    """Whether its server says that a second call might do harm."""
    hints = tool.annotations
    return bool(hints and hints.destructive_hint and not hints.idempotent_hint and not hints.read_only_hint)


class _Lost(UserError):
    """Takes a ToolboxFailed through the SDK, which hands on its own UserError as it is, unlogged."""

    def __init__(self, failure: TaskError) -> None:
        super().__init__(str(failure))
        self.failure = failure


def _told(_: RunContextWrapper[Any], error: Exception) -> str:
    """Arguments that do not fit go back to the model; a server that is lost fails the attempt (section 5, 7)."""
    if isinstance(error, _Lost):
        raise error.failure from None
    if isinstance(error, ModelBehaviorError | UserError):
        return one_line(str(error))
    raise error


def _keep_structure(context: MCPToolCustomDataContext) -> dict[str, Any]:
    structured = context.structured_content
    return {"tool_name": context.tool_name, "structured": dict(structured) if structured is not None else None}
