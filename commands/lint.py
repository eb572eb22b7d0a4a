"""`--lint`: check documents without a run."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import replace

from rich.text import Text

from console.problems import print_json
from console.screen import Screen
from grammar.errors import InvalidFlow, Problem
from grammar.loading import lint
from grammar.loading.bundle import LoadOptions
from grammar.loading.lint import Findings

_COLORS = {"error": "red", "warning": "yellow", "hint": "dim"}


def run(flows: Sequence[str], order: LoadOptions, view: Screen, json: bool) -> int:
    """Tell what is wrong with each document, one line each. Returns the exit code. Raises InvalidFlow."""
    if not flows:
        raise InvalidFlow([Problem("command line", 0, "--lint", "give one or more files: starter.py --lint FLOW...")])
    found = Findings()
    for flow in flows:
        found = found.plus(lint.lint(flow, order))
    told = list(_told(found))
    code = 2 if found.problems else 0
    for severity, problem in told:
        view.out.print(Text(f"{severity}: {problem}", _COLORS[severity]))
    counts = [_count(len(flows), "file"), *(_counts(told))]
    view.out.print(Text(", ".join(counts), "bold"))
    if json:
        problems = [{"severity": severity, **problem.data} for severity, problem in told]
        print_json(
            {"status": "bad_input" if code else "ok", "exit_code": code, "files": len(flows), "problems": problems}
        )
    return code


def _told(found: Findings) -> Iterator[tuple[str, Problem]]:
    """Each finding with its severity, in the order of the files. A variable may be set where the worker runs."""
    missing = [need.where for need in found.needs if need.variable not in os.environ]
    hints = [replace(where, message=f"{where.message}, which is not set here") for where in dict.fromkeys(missing)]
    levels = {"error": found.problems, "warning": found.warnings, "hint": hints}
    everything = ((severity, problem) for severity, problems in levels.items() for problem in problems)
    yield from sorted(everything, key=lambda one: (one[1], one[0]))


def _counts(told: list[tuple[str, Problem]]) -> Iterator[str]:
    for severity in ("error", "warning", "hint"):
        count = sum(one == severity for one, _ in told)
        if count or severity != "hint":
            yield _count(count, severity)


def _count(number: int, thing: str) -> str:
    return f"{number} {thing}" if number == 1 else f"{number} {thing}s"
