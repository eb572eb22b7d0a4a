"""`--version`: which version this is."""

from typing import Annotated

import typer

from runtime.version import version


def _print(asked: bool) -> None:
    if asked:
        print(f"taskflow {version()}")
        raise typer.Exit


def version_option(
    _version: Annotated[
        bool, typer.Option("--version", callback=_print, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Do nothing: the option has been heeded where it was given."""
