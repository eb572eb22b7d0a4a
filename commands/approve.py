"""`approve`: say yes to a call that waits for a person."""

from typing import Annotated

import typer

from commands import options
from console.screen import open_screen

CallId = Annotated[str | None, typer.Argument(metavar="CALL", help="The call's id; the only one, unless given.")]


def approve(
    run_id: options.RunId,
    call: CallId = None,
    always: Annotated[bool, typer.Option("--always", help="And to each other call of the tool in this run.")] = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Say yes to a call that waits, or repeat one that was interrupted."""
    from commands import call_answers  # loads Temporal's client

    return call_answers.give(run_id, call, call_answers.CallAnswer(True, always=always), open_screen(json, quiet), json)
