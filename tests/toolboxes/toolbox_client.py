"""A toolbox server as a process of its own, spoken to over its stdin and stdout."""

import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.types import CallToolResult, TextContent
from pydantic import JsonValue

REPOSITORY = Path(__file__).parents[2]


class ToolboxClient:
    """Call the tools of one running server."""

    def __init__(self, client: Client) -> None:
        self.client = client

    async def call(self, tool: str, **arguments: JsonValue) -> str:
        """Return the text of a call that must succeed."""
        result = await self.client.call_tool(tool, arguments)
        assert not result.is_error, text_of(result)
        assert result.structured_content is None
        return text_of(result)

    async def refused(self, tool: str, **arguments: JsonValue) -> str:
        """Return the text of a call that must be answered with an error."""
        result = await self.client.call_tool(tool, arguments)
        assert result.is_error, text_of(result)
        return text_of(result)


@asynccontextmanager
async def toolbox(name: str, **env: str) -> AsyncIterator[ToolboxClient]:
    """Start the server, yield a client of it, and end the server after use."""
    async with Client(stdio_client(parameters(name, env))) as client:
        yield ToolboxClient(client)


def parameters(name: str, env: dict[str, str]) -> StdioServerParameters:
    """Return how to start it: with only the environment that a worker would pass, and `env`."""
    return StdioServerParameters(
        command=sys.executable, args=["-m", "taskflows.toolboxes", name], env=environment(env), cwd=REPOSITORY
    )


def environment(env: dict[str, str]) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], **env}


def text_of(result: CallToolResult) -> str:
    """Return the text of a result that is one text."""
    (block,) = result.content
    assert isinstance(block, TextContent)
    return block.text
