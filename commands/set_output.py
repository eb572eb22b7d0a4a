"""`set-output`: have a parked run go on with a value in place of what failed."""

import json as json_format
from typing import Annotated

import typer
from pydantic import JsonValue

from commands import options
from console.screen import open_screen
from grammar.documents.values import encodable
from grammar.messages.reports import Decision


def set_output(
    run_id: options.RunId,
    value: Annotated[
        str, typer.Argument(metavar="JSON", help="What the task is to have given; a negative number goes after --.")
    ],
    task: options.TaskName = None,
    detach: options.Detach = False,
    keep: options.Keep = False,
    yes: options.Yes = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Go on with this value as what the parked task gave."""
    decision = Decision(action="set_output", task=task, value=_parsed(value))
    from commands.continue_run import decide  # these load Temporal's client
    from commands.session import RunOptions

    wanted = RunOptions(detach=detach, keep=keep, json=json, debug=debug, yes=yes)
    return decide(run_id, decision, wanted, open_screen(json, quiet))


def _parsed(text: str) -> JsonValue:
    """Return the value that the text is in JSON. Raises InvalidFlow."""
    try:
        value: JsonValue = json_format.loads(text, parse_constant=_not_json)
        return encodable(value)
    except RecursionError:
        raise options.wrong("JSON", "it is nested too deeply") from None
    except ValueError as error:
        raise options.wrong("JSON", f"not JSON ({error}); a text needs quotes: '\"text\"'") from None


def _not_json(constant: str) -> JsonValue:
    raise ValueError(f"{constant} is none of its numbers")
