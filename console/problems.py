"""What went wrong before or beside a run, told in lines; never a traceback."""

import json as json_format
import os
import re
import sys
import traceback
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from rich.console import Console
from rich.text import Text

from console.printable import printable
from console.screen import Screen
from grammar.errors import InvalidFlow, UserError
from grammar.exit_codes import ExitCode
from grammar.problems import Problem

# Of what JSON leaves as it is.
_UNPRINTABLE = re.compile("[\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")


def print_warnings(view: Screen, warnings: list[Problem]) -> None:
    """Print one line for each warning."""
    for warning in warnings:
        view.notes.print(Text(f"warning: {warning}", "yellow"))


def print_problems(view: Screen, error: UserError, json: bool) -> None:
    """Print one line for each problem, after the warnings; below it the line of the file, where it is shown.

    `json`: print a document with all of them, too.
    """
    found = error.problems if isinstance(error, InvalidFlow) else []
    if isinstance(error, InvalidFlow):
        print_warnings(view, error.warnings)
    for line in found or printable(str(error)).splitlines():
        view.err.print(Text(f"error: {line}", "red"))
        print_excerpt(view.err, line)
    if json:
        problems = [problem.data for problem in found]
        print_json({"status": "bad_input", "exit_code": error.exit_code, "message": str(error), "problems": problems})


def print_excerpt(out: Console, problem: Problem | str) -> None:
    """Print the line that a problem shows, and the caret below it; nothing where it shows none."""
    if isinstance(problem, Problem) and problem.excerpt:
        out.print(Text(problem.excerpt))


def print_bug(
    view: Screen,
    error: Exception,
    json: bool,
    folder: Path | None,
    debug: bool = False,
    mask: Callable[[str], str] = str,
) -> None:
    """Print a line about a fault of ours, and write the traceback to a file in `folder`; where none can be, print it.

    `debug`: the traceback is printed in any case. `mask`: takes the secrets out of a text.
    """
    told = mask("".join(traceback.format_exception(error)))
    details = _written(told, folder)
    if debug or not details:
        view.err.print(Text(told))
    message = mask(f"{type(error).__name__}: {error}").splitlines()[0]
    where = f"Details: {details}" if details else "Details are above"
    view.err.print(Text(f"bug: {message}; this is a fault of taskflow, not of your file. {where}", "red"))
    if json:
        print_json({"status": "bug", "exit_code": ExitCode.BUG, "message": message, "details": str(details or "")})


def _written(told: str, folder: Path | None) -> Path | None:
    """Return the file in which it is written now; None where there is no folder that takes it."""
    if folder is None:
        return None
    path = folder / f"taskflow-bug-{datetime.now():%Y%m%d-%H%M%S}-{os.getpid()}.txt"
    try:  # the folder may be everybody's: a new file, for this user alone, and not what somebody has put there
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(told.encode(errors="backslashreplace"))
    except OSError:
        return None
    return path


def print_json(document: object) -> None:
    """Print the one JSON document, on stdout; in ASCII where that has another encoding than UTF-8.

    What might steer a terminal is escaped.
    """
    is_utf8 = (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
    text = json_format.dumps(document, indent=2, ensure_ascii=not is_utf8, default=str)
    print(_UNPRINTABLE.sub(lambda sign: json_format.dumps(sign[0])[1:-1], text))
