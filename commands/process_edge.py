"""The edge of a process: every error ends here, in one line, and leaves by its exit code."""

import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import NoReturn

from rich.text import Text
from typer import Abort

from console.problems import print_bug, print_json, print_problems
from console.screen import open_screen
from grammar.errors import InvalidFlow, UserError
from grammar.exit_codes import ExitCode
from grammar.model_access.endpoint import KEYS
from grammar.templating.redaction import mask
from grammar.templating.urls_in_texts import bare_urls
from runtime.exit import leave
from runtime.logs import set_up_last_resort
from runtime.state import state_dir, unusable


def run_and_leave(work: Callable[[], int], json: bool = False, debug: bool = False) -> NoReturn:
    """Do the work, and end the process with the exit code that it returns, or with that of its error.

    `json`: an error is a JSON document on stdout, too. `debug`: a fault of ours is printed in full.
    """
    set_up_last_resort()
    try:
        code = work()
        sys.stdout.flush()  # here it can still be told that a result is lost
    except UserError as error:
        code = _told(error, json)
    except (KeyboardInterrupt, Abort):
        code = ExitCode.INTERRUPTED
        _print_interrupted(json)
    except Exception as error:  # nothing is lost, the details go to a file
        folder = _bug_folder()
        if problem := _of_state_folder(error, folder):
            leave(_told(problem, json))
        code = ExitCode.BUG
        print_bug(open_screen(json), error, json, folder, debug, _masked)
    leave(code)


def _told(error: UserError, json: bool) -> int:
    if not isinstance(error, InvalidFlow):  # that one tells of files alone
        error.args = (_masked(str(error)),)
    print_problems(open_screen(json), error, json)
    return error.exit_code


def _masked(text: str) -> str:
    """Return the text without the keys that this process has, and without what URLs may hold of others."""
    keys = {name: value for name in (*KEYS, "TEMPORAL_API_KEY") if (value := os.environ.get(name))}
    return bare_urls(mask(text, keys))


def _of_state_folder(error: Exception, folder: Path | None) -> UserError | None:
    """Return what is wrong with a file in the state folder; None where that is not it."""
    if not isinstance(error, OSError) or not isinstance(error.filename, str) or not folder:
        return None
    return unusable(error.filename, error.strerror) if Path(error.filename).is_relative_to(folder) else None


def _print_interrupted(json: bool) -> None:
    open_screen(json).err.print(Text("interrupted", "yellow"))
    if json:
        print_json({"status": "interrupted", "exit_code": ExitCode.INTERRUPTED, "message": "interrupted"})


def _bug_folder() -> Path | None:
    try:
        return state_dir()
    except UserError:
        pass
    try:
        return Path(tempfile.gettempdir())
    except OSError:
        return None
