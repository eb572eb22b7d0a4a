"""Run a taskflow: parse, bundle, start, follow, print.

python starter.py FLOW [-g KEY=VALUE]...
python starter.py -p PERSONALITY "prompt"
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import Annotated

import typer
from dotenv import load_dotenv

from commands.run import Session, Wish
from console.problems import tell_bug, tell_problems, tell_warnings
from console.screen import screen
from grammar import bundle
from grammar.bundle import Loaded, Order
from grammar.errors import InvalidFlow, Problem, UserError
from runtime.exit import leave
from runtime.state import state_dir


def load(flow: str | None, personality: str | None, order: Order) -> Loaded:
    """The bundle that the command line asks for. Raises InvalidFlow."""
    if flow is None:
        missing = 'give a prompt: -p PERSONALITY "prompt"' if personality else "give a taskflow: starter.py FLOW"
        raise InvalidFlow([Problem("command line", 0, "", missing)])
    return bundle.from_personality(personality, flow, order) if personality else bundle.load(order)


def overrides(given: list[str]) -> dict[str, str]:
    """`-g KEY=VALUE`: split at the first `=`, trimmed, always text (GRAMMAR.md section 4). Raises InvalidFlow."""
    pairs = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InvalidFlow([Problem("command line", 0, "-g", f"{text!r}: write KEY=VALUE")])
        pairs[key.strip()] = value.strip()
    return pairs


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(no_args_is_help=True)
def command(
    flow: Annotated[
        str | None,
        typer.Argument(metavar="FLOW", help="A taskflow: a path, or a dotted name. With -p: the prompt."),
    ] = None,
    personality: Annotated[
        str | None,
        typer.Option("-p", metavar="PERSONALITY", help="Run one agent of this personality on a prompt."),
    ] = None,
    globals_: Annotated[
        list[str] | None,
        typer.Option("-g", metavar="KEY=VALUE", help="Set a global; over those of the file."),
    ] = None,
    model_config: Annotated[
        str | None, typer.Option("-m", metavar="MODEL_CONFIG", help="A model config; over that of the file.")
    ] = None,
    path: Annotated[
        list[Path] | None, typer.Option("--path", metavar="DIR", help="Look references up here too.")
    ] = None,
    run_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="The run's id. An open run of that id is joined.")
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start the run, and leave it to a worker.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Hold the embedded server and its Web UI open until Ctrl-C.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print nothing but one JSON result on stdout.")] = False,
) -> None:
    """Run a taskflow as a Temporal workflow, and follow it to its end.

    Exit codes: 0 all done; 1 failed; 2 bad input, nothing started; 3 a bug of ours; 4 finished, but some
    optional task failed; 130 interrupted.
    """
    view = screen(json)
    load_dotenv(Path.cwd() / ".env")
    try:
        loaded = load(flow, personality, Order(flow or "", overrides(globals_ or []), model_config, tuple(path or [])))
        tell_warnings(view, loaded.warnings)
        leave(asyncio.run(Session(loaded.bundle, Wish(run_id, detach, keep, json), view).run()))
    except UserError as error:
        tell_problems(view, error, json)
        leave(error.exit_code)
    except Exception as error:  # the edge of the process: nothing is lost, the details go to a file
        tell_bug(view, error, json, state_dir())
        leave(3)


def main() -> None:
    """The console script."""
    app(prog_name="taskflow" if Path(sys.argv[0]).stem == "taskflow" else "starter.py")


if __name__ == "__main__":
    main()
