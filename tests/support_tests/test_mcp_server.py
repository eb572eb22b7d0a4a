"""The toolbox for tests, spoken to over stdio by a real MCP client."""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from mcp import Client, MCPError, StdioServerParameters, stdio_client
from mcp.types import CallToolResult, TextContent
from pydantic import JsonValue

ROOT = Path(__file__).parents[2]
WAYS = [[str(ROOT / "tests/support/mcp_server.py")], ["-m", "tests.support.mcp_server"]]


@asynccontextmanager
async def started(way: list[str], **env: str) -> AsyncIterator[Client]:
    parameters = StdioServerParameters(command=sys.executable, args=way, cwd=ROOT, env=env)
    async with Client(stdio_client(parameters)) as client:
        yield client


async def call(client: Client, tool: str, **arguments: JsonValue) -> tuple[CallToolResult, str]:
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    return result, "".join(part.text for part in result.content if isinstance(part, TextContent))


@pytest.mark.parametrize("way", WAYS, ids=["path", "module"])
async def test_tools_that_answer(way: list[str], tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    async with started(way, COLOUR="blue") as client:
        tools = {tool.name for tool in (await client.list_tools()).tools}
        assert tools == {"lookup", "fail", "slow", "die", "count", "environ"}
        found, _ = await call(client, "lookup", key="k")
        assert found.structured_content == {"key": "k", "items": [1, 2]}
        assert (await call(client, "environ", name="COLOUR"))[1] == "blue"
        assert (await call(client, "environ", name="NOWHERE"))[1] == "(not set)"
        assert (await call(client, "slow", seconds=0))[1] == "done"
        for text in ("one", "two"):
            await call(client, "count", path=str(calls), text=text)
    assert calls.read_text() == "one\ntwo\n"


async def test_an_error_of_a_tool_says_why() -> None:
    async with started(WAYS[0]) as client:
        result, text = await call(client, "fail", message="no such thing")
        assert (result.is_error, result.structured_content) == (True, None)
        assert "no such thing" in text


async def test_a_server_that_dies() -> None:
    async with started(WAYS[0]) as client:
        with pytest.raises(MCPError):
            await call(client, "die")
