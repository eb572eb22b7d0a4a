"""A toolbox for tests: tools that answer, fail, hang, count, and die. Run by file path, over stdio."""

import os
import sys
import time
from pathlib import Path
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("tests", log_level="WARNING")


@server.tool()
def lookup(key: str) -> dict[str, Any]:
    """Look a key up."""
    return {"key": key, "items": [1, 2]}


@server.tool(structured_output=False)
def fail(message: str) -> str:
    """Fail."""
    # Of any other exception the client is told no more than the tool's name.
    raise ToolError(message)


@server.tool(structured_output=False)
def slow(seconds: float) -> str:
    """Take a while."""
    time.sleep(seconds)
    return "done"


@server.tool(structured_output=False)
def die() -> str:
    """End the server in the middle of a call."""
    print("dying as told", file=sys.stderr, flush=True)
    os._exit(3)


@server.tool(structured_output=False)
def count(path: str, text: str) -> str:
    """Append a line to a file."""
    with Path(path).open("a") as file:
        file.write(f"{text}\n")
    return "counted"


@server.tool(structured_output=False)
def environ(name: str) -> str:
    """A variable of the server's environment."""
    return os.environ.get(name, "(not set)")


if __name__ == "__main__":
    server.run("stdio")
