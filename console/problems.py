"""What went wrong before or beside a run, told in lines; never a traceback."""

import json as json_format
import traceback
from datetime import datetime
from pathlib import Path

from rich.text import Text

from console.screen import Screen
from grammar.errors import InvalidFlow, Problem, UserError
from grammar.exit_codes import ExitCode


def print_warnings(view: Screen, warnings: list[Problem]) -> None:
    """Print one line for each warning."""
    for warning in warnings:
        view.notes.print(Text(f"warning: {warning}", "yellow"))


def print_problems(view: Screen, error: UserError, json: bool) -> None:
    """Print one line for each problem, after the warnings; with `json`, also a document with all of them."""
    if isinstance(error, InvalidFlow):
        print_warnings(view, error.warnings)
    for line in str(error).splitlines():
        view.err.print(Text(f"error: {line}", "red"))
    if json:
        problems = [problem.data for problem in error.problems] if isinstance(error, InvalidFlow) else []
        print_json({"status": "bad_input", "exit_code": error.exit_code, "message": str(error), "problems": problems})


def print_bug(view: Screen, error: Exception, json: bool, folder: Path | None = None, debug: bool = False) -> None:
    """Print a line about a fault of ours, and write the traceback to a file in `folder` (None: the working directory).

    `debug`: the traceback is printed, too.
    """
    details = (folder or Path.cwd()) / f"taskflow-bug-{datetime.now():%Y%m%d-%H%M%S}.txt"
    told = "".join(traceback.format_exception(error))
    details.write_text(told, encoding="utf-8")
    if debug:
        view.err.print(Text(told))
    message = f"{type(error).__name__}: {error}".splitlines()[0]
    view.err.print(Text(f"bug: {message}; this is a fault of taskflow, not of your file. Details: {details}", "red"))
    if json:
        print_json({"status": "bug", "exit_code": ExitCode.BUG, "message": message, "details": str(details)})


def print_json(document: object) -> None:
    """Print the one JSON document, on stdout."""
    print(json_format.dumps(document, indent=2, ensure_ascii=False, default=str))
