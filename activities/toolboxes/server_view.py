"""The server of a toolbox as it is offered to the agents of one run."""

from collections.abc import Iterator, Mapping
from typing import Any

from agents import ModelBehaviorError, RunContextWrapper, UserError
from agents.mcp import MCPServer
from agents.mcp.util import MCPToolCustomDataContext
from mcp.types import CallToolResult, GetPromptResult, ListPromptsResult, Tool

from activities.process.activity_errors import one_line
from activities.storage.journal import Journal
from activities.toolboxes.mcp_connection import MISFIT
from activities.toolboxes.offered_tools import OfferedTools
from activities.toolboxes.result_parts import with_readable_parts
from activities.toolboxes.server import ToolboxServer
from activities.toolboxes.tool_names import is_named
from grammar.documents.values import encodable
from grammar.errors import StorageFailed, TaskError, ToolboxFailed
from grammar.messages.activity_requests import AgentRequest


def views(
    servers: Mapping[str, ToolboxServer], offered: OfferedTools, request: AgentRequest, journal: Journal
) -> Iterator["ServerView"]:
    """Yield what the run may see of each server. `servers`: by the toolbox's reference."""
    for name, server in servers.items():
        yield ServerView(name, server, offered, request, journal)


class ServerView(MCPServer):
    """Show a server to one agent run: which of its tools, under which names, and which need a person's approval.

    Other runs may use the same server at the same time, and see it differently. `warnings`: for the run's report.
    """

    def __init__(
        self,
        name: str,
        server: ToolboxServer,
        offered: OfferedTools,
        request: AgentRequest,
        journal: Journal,
    ) -> None:
        super().__init__(
            require_approval=self._needs_approval,
            failure_error_function=_text_for_model,
            custom_data_extractor=self._custom_data,
        )
        self._name = name
        self._server = server
        self._offered = offered
        self._headless = request.headless
        self._confirm = request.toolboxes[name].confirm
        self._journal = journal
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
        await self._server.follow_changes()
        if added := self._offered.note_added():
            await self._journal.record_tools(added)
        return self._offered.of(self._name)

    async def call_tool(
        self, tool_name: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None = None
    ) -> CallToolResult:
        """Call a tool by the name that the model sees, unless an earlier attempt has; return its result.

        Raises UserError, whose text the model is told.
        """
        own = self._offered.own_name(self._name, tool_name)
        try:
            arguments = encodable(arguments)
        except (ValueError, RecursionError):
            raise UserError("the arguments are not JSON") from None
        try:
            return await self._journal.call(
                own, arguments, self._may_do_harm(own), lambda: self._call(own, arguments, meta)
            )
        except (ToolboxFailed, StorageFailed) as error:
            raise _FatalError(error) from None

    def _needs_approval(self, run_context: object, agent: object, tool: Tool) -> bool:
        return not self._headless and self._is_guarded(self._offered.own_name(self._name, tool.name))

    def _is_guarded(self, tool: str) -> bool:
        return is_named(tool, self._name, self._confirm)

    def _may_do_harm(self, tool: str) -> bool:
        """Return whether a person decides on a second call of a tool, by the server's name of it.

        What the server lists no more may do anything.
        """
        listed = [listed for listed in self._server.tools if listed.name == tool]
        return self._is_guarded(tool) or not listed or any(map(_is_destructive, listed))

    def _custom_data(self, context: MCPToolCustomDataContext) -> dict[str, Any]:
        structured = context.structured_content
        return {
            "tool_name": self._offered.told_name(context.tool_name),
            "structured": dict(structured) if structured is not None else None,
        }

    async def _call(self, tool: str, arguments: dict[str, Any] | None, meta: dict[str, Any] | None) -> CallToolResult:
        try:
            result = await self._server.call(tool, arguments, meta)
            self._warn_of_repairs(tool, result)
            return with_readable_parts(result)
        except ToolboxFailed:
            raise
        except Exception as error:  # the call's own: the server still answers, and the model is told
            raise UserError(one_line(str(error) or type(error).__name__)) from None

    def _warn_of_repairs(self, tool: str, result: CallToolResult) -> None:
        """Warn of what was replaced or left out in a result (specification section 7)."""
        if any("\ufffd" in getattr(part, "text", "") for part in result.content):
            self._warn(f"{self._name}: what {tool} gave was not UTF-8; such bytes were replaced")
        if MISFIT in (result.meta or {}):
            self._warn(f"{self._name}: what {tool} gave does not fit its own outputSchema; its text counts")

    def _warn(self, warning: str) -> None:
        if warning not in self.warnings:
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
