"""`--version`: which version this is."""

import tomllib
from importlib import metadata
from pathlib import Path
from typing import Annotated

import typer

_PYPROJECT = Path(__file__).resolve().parents[1] / "pyproject.toml"


def version() -> str:
    """Return the version: of the checkout that this is, else of the package that is installed."""
    if _PYPROJECT.exists():
        return str(tomllib.loads(_PYPROJECT.read_text(encoding="utf-8"))["project"]["version"])
    return metadata.version("temporal-taskflow")


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
