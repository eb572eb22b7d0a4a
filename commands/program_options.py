"""Options of the program, with any command: `--version`, `--env-file`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from commands import env_file
from console.screen import open_screen
from runtime.version import version


def _print(asked: bool) -> None:
    if asked:
        print(f"taskflow {version()}")
        raise typer.Exit


def program_options(
    context: typer.Context,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print, is_eager=True, help="Print the version.")
    ] = False,
    _env_file: Annotated[Path | None, env_file.OPTION] = None,
) -> None:
    """Read the environment file: after this, before the command. The options have been heeded where they were given."""
    words = frozenset(sys.argv)
    env_file.take(context.meta[env_file.NAME], open_screen("--json" in words, not words.isdisjoint(("-q", "--quiet"))))
