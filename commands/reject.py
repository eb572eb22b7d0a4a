"""`reject`: say no to a call that waits for a person."""

from typing import Annotated

import typer

from commands import options
from commands.approve import CallId
from console.screen import open_screen


def reject(
    run_id: options.RunId,
    call: CallId = None,
    reason: Annotated[str, typer.Option("--reason", metavar="TEXT", help="Why not; the agent is told.")] = "",
    json: options.Json = False,
    quiet: options.Quiet = False,
) -> int:
    """Say no to a call that waits, or skip one that was interrupted."""
    from commands import call_answers  # loads Temporal's client

    answer = call_answers.CallAnswer(False, reason=reason)
    return call_answers.give(run_id, call, answer, open_screen(json, quiet), json)
