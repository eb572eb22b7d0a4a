"""Options that several commands have, declared once, and what they mean."""

from pathlib import Path
from typing import Annotated

import typer

from grammar.documents.budget import B, Budget, parse_amounts
from grammar.errors import InvalidFlow
from grammar.loading.bundle import LoadOptions
from grammar.problems import Problem

RUNS = "Runs"
DECISIONS = "Go on with a run, or end it"
FLOWS = "Flows, without a run"
SERVICES = "Schedules and workers"

Flow = Annotated[str, typer.Argument(metavar="FLOW", help="A taskflow: a path, or a dotted name.")]
RunId = Annotated[str, typer.Argument(metavar="ID", help="The run's id.")]
Personality = Annotated[
    str | None,
    typer.Option("-p", "--personality", metavar="PERSONALITY", help="Run one agent of this personality on a prompt."),
]
Globals = Annotated[
    list[str] | None,
    typer.Option("-g", "--global", metavar="KEY=VALUE", help="Set a global; over those of the file."),
]
ModelConfigName = Annotated[
    str | None,
    typer.Option("-m", "--model-config", metavar="MODEL_CONFIG", help="A model config; over that of the file."),
]
Paths = Annotated[list[Path] | None, typer.Option("--path", metavar="DIR", help="Look references up here too.")]
Strict = Annotated[bool, typer.Option("--strict", help="Refuse a file that has an unknown field.")]
TaskQueue = Annotated[
    str | None, typer.Option("--task-queue", metavar="NAME", help="The task queue whose workers do the work.")
]
Priority = Annotated[
    int | None,
    typer.Option("--priority", metavar="N", min=1, max=5, help="Which runs go first where workers are busy: 1 to 5."),
]
Html = Annotated[Path | None, typer.Option("--html", metavar="FILE", help="The page to write.")]
TaskName = Annotated[str | None, typer.Option("--task", metavar="NAME", help="Decide only if this task is parked.")]
Detach = Annotated[bool, typer.Option("--detach", help="Do not follow the run: leave it to a worker.")]
Keep = Annotated[bool, typer.Option("--keep", help="Hold the embedded server and its Web UI open until Ctrl-C.")]
Budgets = Annotated[
    list[str] | None,
    typer.Option("--budget", metavar="UNIT=AMOUNT", help="What the run may use up: usd, tokens, requests or time."),
]
Yes = Annotated[
    bool, typer.Option("--yes", help="Go on where a worker is not set up as the run is started: do not ask.")
]
YesToAll = Annotated[
    bool, typer.Option("--yes", help="Do not ask: neither of a worker that is set up otherwise, nor before a fan-out.")
]
Json = Annotated[bool, typer.Option("--json", help="Print nothing but one JSON result on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="Print results and errors only: no progress, no advice.")]
Debug = Annotated[
    bool, typer.Option("--debug", "-d", help="Tell everything: each failure in full, every attempt, tracebacks.")
]


def wrong(option: str, message: str) -> InvalidFlow:
    """Return the error of a command line; `option` is what it is about, empty for all of it."""
    return InvalidFlow([Problem("command line", 0, option, message)])


def load_options(
    flow: str,
    globals_: list[str] | None = None,
    model_config: str | None = None,
    paths: list[Path] | None = None,
    strict: bool = False,
    budgets: list[str] | None = None,
    confirmed: bool = False,
) -> LoadOptions:
    """Return what the command line says of the files to load. Raises InvalidFlow."""
    paths_ = tuple(paths or [])
    budget = amounts(Budget, budgets, "--budget") if budgets else None
    return LoadOptions(
        flow, overrides(globals_ or []), model_config, paths_, strict, budget=budget, confirmed=confirmed
    )


def only(words: list[str] | None, what: str) -> str:
    """Return the one word that is given. Raises InvalidFlow, which says `what` to give."""
    if words is None or len(words) != 1:
        raise wrong("", f"give {what}")
    return words[0]


def overrides(given: list[str]) -> dict[str, str]:
    """Split each KEY=VALUE at the first `=`, trim both sides; values are text (specification section 4).

    Raises InvalidFlow.
    """
    pairs = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise wrong("-g", f"{text!r}: write KEY=VALUE")
        pairs[key.strip()] = value.strip()
    return pairs


def amounts(kind: type[B], given: list[str], option: str) -> B:
    """Return the budget of UNIT=AMOUNT, one or several. `option`: what they stand after. Raises InvalidFlow."""
    try:
        return parse_amounts(kind, given)
    except ValueError as error:
        raise wrong(option, str(error)) from None
