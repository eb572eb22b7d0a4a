"""Echo: gives a message back. For trying out a flow without side effects."""

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations

_PURE = ToolAnnotations(read_only_hint=True, idempotent_hint=True, destructive_hint=False, open_world_hint=False)


def build_server() -> MCPServer:
    """Return the server with its one tool."""
    # structured_output=False here and in the other toolboxes: a tool result is then its text alone,
    # not an object wrapped around it (specification section 5).
    server = MCPServer("echo", log_level="WARNING")
    server.tool(annotations=_PURE, structured_output=False)(echo_tool)
    return server


def echo_tool(message: str) -> str:
    """Echo a message."""
    return f"Echo: {message}"
