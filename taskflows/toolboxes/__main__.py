"""`taskflow-toolbox NAME` and `python -m taskflows.toolboxes NAME`: one MCP server.

On stdin and stdout; with `--transport sse --port N` or `--transport streamable --port N` over HTTP, on this
machine alone.
"""

import argparse
import gc
import sys
from collections.abc import Sequence
from importlib import import_module
from typing import Never

from grammar.errors import UserError

NAMES = ("echo", "memcache", "logbook")
PATHS = {"sse": "/sse", "streamable": "/mcp"}


def main() -> None:
    """Serve until stdin closes, or until SIGINT or SIGTERM. Exit 2 on arguments or settings that do not fit."""
    try:
        serve(sys.argv[1:])
    except UserError as error:
        print(f"taskflow-toolbox: {error}", file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)


def serve(arguments: Sequence[str]) -> None:
    """Run the one server that the arguments name; no other is imported. Raises UserError."""
    name, transport, port = _read(arguments)
    gc.disable()  # what is loaded stays: nothing to collect, neither now nor at the end
    server = import_module(f"taskflows.toolboxes.{name}").build_server()
    gc.freeze()
    gc.enable()
    if transport == "stdio":
        server.run()
        return
    print(f"{name}: http://127.0.0.1:{port}{PATHS[transport]}", file=sys.stderr, flush=True)
    server.run("sse" if transport == "sse" else "streamable-http", port=port)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Never:
        raise UserError(message)


def _read(arguments: Sequence[str]) -> tuple[str, str, int]:
    parser = _Parser(prog="taskflow-toolbox", allow_abbrev=False)
    parser.add_argument("name", nargs="*", help=", ".join(NAMES))
    parser.add_argument("--transport", choices=("stdio", *PATHS), default="stdio")
    parser.add_argument("--port", type=int, default=0)
    given = parser.parse_args(arguments)
    if len(given.name) != 1 or given.name[0] not in NAMES:
        raise UserError(f"give one of {', '.join(NAMES)} (got {' '.join(given.name) or 'nothing'})")
    if (given.transport == "stdio") != (given.port == 0):
        raise UserError(f"--transport {' and --transport '.join(PATHS)} take a --port, and nothing else does")
    return given.name[0], given.transport, given.port


if __name__ == "__main__":
    main()
