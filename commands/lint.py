"""`lint`: check documents without a run."""

import os
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain
from typing import Annotated

import typer
from rich.text import Text

from commands import options
from commands.run import unpriced_problems
from console.problems import print_excerpt, print_json
from console.screen import open_screen
from grammar.exit_codes import ExitCode
from grammar.loading import lint as linting
from grammar.loading.lint import Findings
from grammar.problems import Problem
from grammar.program import program

_COLORS = {"error": "red", "warning": "yellow", "hint": "dim"}


def lint(
    flows: Annotated[list[str] | None, typer.Argument(metavar="FLOW", help="Paths, or dotted names.")] = None,
    globals_: options.Globals = None,
    model_config: options.ModelConfigName = None,
    path: options.Paths = None,
    strict: options.Strict = False,
    json: options.Json = False,
) -> int:
    """Check each FLOW, and all it refers to; run nothing."""
    if not flows:
        raise options.wrong("", f"give one or more files: {program()} lint FLOW...")
    asked = options.load_options("", globals_, model_config, path, strict)
    found = Findings()
    for flow in flows:
        found = found.plus(linting.lint(flow, asked))
    found = found.plus(Findings(tuple(chain.from_iterable(map(unpriced_problems, found.limited)))))
    told = list(_told(found))
    code = ExitCode.BAD_INPUT if found.problems else ExitCode.DONE
    if json:
        problems = [{"severity": severity, **problem.data} for severity, problem in told]
        print_json(
            {"status": "bad_input" if code else "ok", "exit_code": code, "files": len(flows), "problems": problems}
        )
    _print(told, len(flows), json)
    return code


def _print(told: list[tuple[str, Problem]], files: int, json: bool) -> None:
    screen = open_screen(json)
    for severity, problem in told:
        screen.out.print(Text(f"{severity}: {problem}", _COLORS[severity]))
        print_excerpt(screen.out, problem)
    screen.out.print(Text(", ".join([_count(files, "file"), *_counts(told)]), "bold"))


def _told(found: Findings) -> Iterator[tuple[str, Problem]]:
    """Each finding with its severity, in the order of the files. A variable may be set where the worker runs."""
    missing = [need.where for need in found.needs if need.variable not in os.environ]
    hints = [replace(where, message=f"{where.message}, which is not set here") for where in dict.fromkeys(missing)]
    levels = {"error": found.problems, "warning": found.warnings, "hint": hints}
    everything = ((severity, problem) for severity, problems in levels.items() for problem in problems)
    yield from sorted(everything, key=lambda finding: (finding[1], finding[0]))


def _counts(told: list[tuple[str, Problem]]) -> Iterator[str]:
    for severity in ("error", "warning", "hint"):
        count = sum(level == severity for level, _ in told)
        if count or severity != "hint":
            yield _count(count, severity)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
