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
from activities.toolboxes.tool_names import ToolNames, offered_names
from grammar.errors import StorageFailed, TaskError, ToolboxFailed
from grammar.messages.activity_requests import AgentRequest


def views(servers: Mapping[str, ToolboxServer], request: AgentRequest, journal: Journal) -> Iterator["ServerView"]:
    """Yield what the run may see of each server: tools that are not blocked, under names that no two of them share.

    `servers`: by the toolbox's reference.
    """
    blocked = set(request.blocked_tools)
    tools = {name: [tool for tool in server.tools if tool.name not in blocked] for name, server in servers.items()}
    names = offered_names({name: [tool.name for tool in offered] for name, offered in tools.items()})
    for name, server in servers.items():
        yield ServerView(name, server, tools[name], names[name], request, journal)


class ServerView(MCPServer):
    """Show a server to one agent run: which of its tools, under which names, and which need a person's approval.

    Other runs may use the same server at the same time, and see it differently. `names`: by the name that the model
    sees. `warnings`: for the run's report.
    """

    def __init__(
        self,
        name: str,
        server: ToolboxServer,
        tools: Sequence[Tool],
        names: ToolNames,
        request: AgentRequest,
        journal: Journal,
    ) -> None:
        confirm = request.toolboxes[name].confirm
        to_approve = [] if request.headless else [offered for offered, own in names.items() if own in confirm]
        super().__init__(
            require_approval={"always": {"tool_names": to_approve}},
            failure_error_function=_text_for_model,
            custom_data_extractor=_custom_data,
        )
        self._name = name
        self._server = server
        self._names = names
        self._journal = journal
        self._ask_to_repeat = {tool.name for tool in tools if tool.name in confirm or _is_destructive(tool)}
        offered_by_own = {own: offered for offered, own in names.items()}
        self._tools = [tool.model_copy(update={"name": offered_by_own[tool.name]}) for tool in tools]
        self.warnings: list[str] = []

    @property
    def name(self) -> str:
        """Return the toolbox's reference, by which an interrupted run finds its tools again, in whichever process."""
        return self._name

    async def connect(self) -> None:
        """Do nothing: the pool has connected it."""

    async def cleanup(self) -> None:
        """Do nothing: the pool stops it."""

    async def list_tools(self, run_context: object = None, agent: object = None) -> list[Tool]:
        """Return the tools that this run may use, under the names that the model sees."""
        return [tool.model_copy(deep=True) for tool in self._tools]

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> CallToolResult:
        """Call a tool by the name that the model sees, unless an earlier attempt has; return its result.

        Raises UserError, whose text the model is told.
        """
        own = self._names[tool_name]
        try:
            return await self._journal.call(
                own, arguments, own in self._ask_to_repeat, lambda: self._call(own, arguments, meta)
            )
        except (ToolboxFailed, StorageFailed) as error:
            raise _FatalError(error) from None

    async def _call(self, tool: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None) -> CallToolResult:
        try:
            result = await self._server.call(tool, arguments, meta)
            self._warn_of_replaced_bytes(tool, result)
            return result
        except ToolboxFailed:
            raise
        except Exception as error:  # the call's own: the server still answers, and the model is told
            raise UserError(one_line(str(error) or type(error).__name__)) from None

    def _warn_of_replaced_bytes(self, tool: str, result: CallToolResult) -> None:
        """Warn where bytes that are not UTF-8 have been replaced on the way (specification section 7)."""
        warning = f"{self._name}: what {tool} gave was not UTF-8; such bytes were replaced"
        if warning not in self.warnings and any("\ufffd" in getattr(part, "text", "") for part in result.content):
            self.warnings.append(warning)

    async def list_prompts(self) -> ListPromptsResult:
        """Return no prompts: an agent uses tools alone."""
        return ListPromptsResult(prompts=[])

    async def get_prompt(self, name: str, arguments: dict[str, Any] | None = None) -> GetPromptResult:
        """Raise UserError: there are no prompts."""
        raise UserError(f"there is no prompt {name}")


def _is_destructive(tool: Tool) -> bool:
    """Return whether the server says that a second call might do harm."""
    hints = tool.annotations
    return bool(hints and hints.destructive_hint and not hints.idempotent_hint and not hints.read_only_hint)


class _FatalError(UserError):
    """Carry a TaskError through the SDK, which hands on its own UserError as it is, unlogged."""

    def __init__(self, failure: TaskError) -> None:
        super().__init__(str(failure))
        self.failure = failure


def _text_for_model(_: RunContextWrapper[Any], error: Exception) -> str:
    """Return what the model is told of a failed call. Raises the TaskError, which fails the attempt, of a lost server.

    See specification sections 5 and 7.
    """
    if isinstance(error, _FatalError):
        raise error.failure from None
    if isinstance(error, ModelBehaviorError | UserError):
        return one_line(str(error))
    raise error


def _custom_data(context: MCPToolCustomDataContext) -> dict[str, Any]:
    structured = context.structured_content
    return {"tool_name": context.tool_name, "structured": dict(structured) if structured is not None else None}
