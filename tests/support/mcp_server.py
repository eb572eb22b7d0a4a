"""A toolbox for tests: tools that answer, fail, hang, count, and die. Run by file path, over stdio.

Arguments:
`--transport sse|streamable --port N`   over HTTP, once `--delay` seconds have passed
`--starts FILE`                         append this process's id to the file at the start
`--more`                                offer tools that tell servers apart, too
`--deaf`                                ignore that stdin closes, and SIGTERM
"""

import argparse
import gc
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

gc.disable()  # as our own toolboxes do: what is loaded stays
from mcp.server.mcpserver import Context, MCPServer  # noqa: E402
from mcp.server.mcpserver.exceptions import ToolError  # noqa: E402

gc.freeze()
gc.enable()
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


def pid() -> str:
    """The server's process id."""
    return str(os.getpid())


remembered: list[str] = []


def remember(text: str) -> str:
    """Keep a text in this process, and tell all that are kept."""
    remembered.append(text)
    return " ".join(remembered)


def header(name: str, context: Context) -> str:
    """A header of the request that carries this call."""
    return (context.headers or {}).get(name, "(none)")


def many(count: int, size: int) -> str:
    """A list of so many items, of some `size` characters each."""
    return json.dumps([{"n": n, "code": "x" * size} for n in range(count)])


def refuse() -> str:
    """Raise what is no tool error."""
    raise RuntimeError("an accident")


async def learn(context: Context) -> str:
    """Have one more tool from now on."""
    server.tool(name="learnt", structured_output=False)(named)
    await context.notify_tools_changed()
    return "learnt"


def named() -> str:
    """Have a name that model APIs refuse, or that something else has."""
    return "done"


NAMES = ("notes.weigh", "notes/paint", "notes.hide", "transfer_to_b_x")


def main() -> None:
    """Serve as the arguments say."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--transport", default="stdio", choices=["stdio", "sse", "streamable"])
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--delay", type=float, default=0)
    parser.add_argument("--starts", type=Path)
    parser.add_argument("--more", action="store_true")
    parser.add_argument("--deaf", action="store_true")
    given = parser.parse_args()
    if given.starts:
        with given.starts.open("a") as file:
            file.write(f"{os.getpid()}\n")
    time.sleep(given.delay)
    for tool in (pid, remember, header, many, refuse, learn) if given.more else ():
        server.tool(structured_output=False)(tool)
    for name in NAMES if given.more else ():
        server.tool(name=name, structured_output=False)(named)
    if given.transport == "stdio":
        server.run("stdio")
    else:
        server.run("sse" if given.transport == "sse" else "streamable-http", port=given.port)
    if given.deaf:
        _hang()


def _hang() -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    while True:
        time.sleep(60)


if __name__ == "__main__":
    main()
