"""`--env-file`, and what is told of the file that variables were read from."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

import typer
from rich.text import Text

from commands.options import wrong
from console.printable import first_line
from console.screen import Screen
from grammar.messages.activity_requests import ModelSpec
from grammar.model_access import endpoint
from runtime import dot_env
from runtime.dot_env import EnvFile

NAME = "--env-file"
OPTION = typer.Option(
    NAME, metavar="FILE", help="Take all variables of this file, instead of the harmless ones of `.env`."
)
_MOST_NAMES = 12


def split(words: Sequence[str]) -> tuple[list[str], Path | None]:
    """Return the words of the command line without `--env-file FILE`, wherever it stands, and the file.

    Raises InvalidFlow where no file is named.
    """
    end = words.index("--") if "--" in words else len(words)
    place = next((i for i, word in enumerate(words[:end]) if word.partition("=")[0] == NAME), None)
    if place is None:
        return list(words), None
    _, equals, file = words[place].partition("=")
    rest = place + 1
    if not equals:
        file, rest = (words[rest] if rest < end else ""), rest + 1
    if not file:
        raise wrong(NAME, "name the file")
    return [*words[:place], *words[rest:]], Path(file)


def take(named: Path | None, screen: Screen) -> None:
    """Set the variables of the file, else of `.env`, and say so. Raises UserError where it cannot be read."""
    if read := dot_env.load(named):
        took = [f"took {_names(read.taken)}"] if read.taken else []
        cautions = _cautions(read, os.environ)
        hint = f" (to believe all of it: {NAME} {read.path.name})" if cautions else ""
        if told := "; ".join(took + cautions):
            screen.notes.print(Text(f"{read.path.name}: {told}{hint}", "yellow" if cautions else "dim"))


def _cautions(read: EnvFile, environ: Mapping[str, str]) -> list[str]:
    """What was not done with a file that nobody named."""
    left_out = [f"left out {_names(read.left_out)}"] if read.left_out else []
    withheld = endpoint.choose(ModelSpec(), environ).withheld if read.taken else None
    return left_out + ([f"{withheld} is not sent to its endpoint"] if withheld else [])


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(first_line(name, 60) for name in names[:_MOST_NAMES])
    return f"{shown} and {len(names) - _MOST_NAMES:,} more" if len(names) > _MOST_NAMES else shown
