"""The commands with which a person goes on, exactly as they are to be typed."""

import shlex
import sys
from pathlib import Path

from rich.console import Console
from rich.text import Text

from grammar.messages.reports import Approval, Parked
from runtime.backend import Backend

_DECISIONS = (
    ("--retry", "run again what failed"),
    ("--skip", "go on without it"),
    ("--set-output JSON", "go on with a value in its place"),
    ("--abort", "end the run as failed"),
)


def program() -> str:
    """How this program was called."""
    return "taskflow" if Path(sys.argv[0]).stem == "taskflow" else "python starter.py"


def signal(here: Backend, run_id: str, name: str) -> str:
    """Temporal's own command for a signal."""
    return (
        f"temporal workflow signal --address {here.address} --namespace {here.client.namespace} "
        f"--workflow-id {shlex.quote(run_id)} --name {name}"
    )


def answer(here: Backend, run_id: str, call: Approval) -> str:
    """What waits for an answer, and the command that says yes: all to the end of the line."""
    if call.kind == "approval":
        others = "--name reject refuses it, --name approve_always allows all calls of this tool"
        told, yes = f"{call.tool} waits for approval ({others})", "approve"
    else:
        told, yes = f"a call of {call.tool} was interrupted (to leave it out: --name skip_call)", "retry_call"
    argument = shlex.quote(f'"{call.id}"')
    return f"{told}; answer with: {signal(here, run_id, yes)} --input {argument}"


def print_parked(console: Console, here: Backend, run_id: str, parked: Parked) -> None:
    """What the run waits for, and how to decide."""
    console.print(Text(f"parked: {parked.task} failed; nothing that succeeded is run again. Go on with one of", "bold"))
    for option, meaning in _DECISIONS:
        console.print(Text(f"  {program()} --resume {shlex.quote(run_id)} {option:20}{meaning}"), soft_wrap=True)
    console.print(Text("or, while a worker serves the run (python worker.py), with one of the signals"), soft_wrap=True)
    for name in ("retry", "skip", "abort"):
        console.print(Text(f"  {signal(here, run_id, name)}"), soft_wrap=True)
    console.print(Text(f"  {signal(here, run_id, 'set_output')} --input JSON"), soft_wrap=True)
