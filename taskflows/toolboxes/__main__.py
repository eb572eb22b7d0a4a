"""`taskflow-toolbox NAME` and `python -m taskflows.toolboxes NAME`: one MCP server on stdin and stdout."""

import sys
from importlib import import_module

from grammar.errors import UserError

NAMES = ("echo", "memcache", "logbook")


def main() -> None:
    """Serve until stdin closes. Exit 2 on a name that is not known or on settings that do not fit."""
    try:
        serve(sys.argv[1:])
    except UserError as error:
        print(f"taskflow-toolbox: {error}", file=sys.stderr)
        sys.exit(error.exit_code)


def serve(arguments: list[str]) -> None:
    """Import the one server that is asked for, and run it."""
    if len(arguments) != 1 or arguments[0] not in NAMES:
        given = " ".join(arguments) or "nothing"
        raise UserError(f"give one of {', '.join(NAMES)} (got {given})")
    import_module(f"taskflows.toolboxes.{arguments[0]}").build_server().run()


if __name__ == "__main__":
    main()
