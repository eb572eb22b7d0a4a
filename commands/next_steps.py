"""The commands with which a person goes on, exactly as they are to be typed."""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

from rich.console import Console
from rich.text import Text

from console.printable import printable_name
from grammar.messages.names import TASK_QUEUE
from grammar.messages.reports import Approval, Parked
from grammar.program import program

if TYPE_CHECKING:  # it loads Temporal's client
    from runtime.backend import Backend

_RAISE = ("raise", "UNIT=AMOUNT", "add to the budget: usd, tokens, requests or time")
_DECISIONS = (
    ("retry", "", "run again what failed"),
    ("skip", "", "go on without it"),
    ("set-output", "JSON", "go on with a value in its place"),
    ("abort", "", "end the run as failed"),
)


def command(name: str, *words: str) -> str:
    """Return the command line of one of our commands, its words in quotes where a shell needs them."""
    return shlex.join([*program().split(), name, *words])


def worker(address: str | None, task_queue: str) -> str:
    """Return the command line of a worker that serves the task queue. `address` None: at the embedded server."""
    queue = [] if task_queue == TASK_QUEUE else ["--task-queue", task_queue]
    return f"{f'TEMPORAL_ADDRESS={address} ' if address else ''}{command('worker', *queue)}"


def signal(backend: Backend, run_id: str, name: str) -> str:
    """Return the command line of Temporal's own command for a signal to the run."""
    return f"{temporal_command(backend, run_id, 'signal')} --name {name}"


def temporal_command(backend: Backend, run_id: str, name: str) -> str:
    """Return the command line of one of Temporal's own commands for a run: `temporal workflow NAME`."""
    return (
        f"temporal workflow {name} --address {backend.address} --namespace {backend.client.namespace} "
        f"--workflow-id {shlex.quote(run_id)}"
    )


def answer(run_id: str, call: Approval) -> str:
    """Return what waits for an answer, and the command that says yes: all to the end of the line."""
    if call.kind == "fan_out":
        size = printable_name(f"{call.task} asks before it starts: {call.arguments}")
        told = f"{size} (`reject` leaves it out)"
    elif call.kind == "approval":
        told = f"{call.tool} waits for approval (`reject` refuses it, `approve --always` allows all calls of this tool)"
    else:
        told = f"a call of {call.tool} was interrupted, and is repeated once approved (`reject` leaves it out)"
    return f"{told}; answer with: {command('approve', run_id, call.id)}"


def print_parked(console: Console, backend: Backend, run_id: str, parked: Parked) -> None:
    """Print what the run waits for, and how to decide."""
    console.print(Text(f"parked: {printable_name(parked.headline)}; nothing that succeeded is run again", "bold"))
    console.print(Text("go on with one of"))
    decisions = [*([_RAISE] if parked.is_at_budget else []), *_DECISIONS]
    lines = {f"{command(name, run_id)} {value}".rstrip(): meaning for name, value, meaning in decisions}
    width = max(map(len, lines))
    for line, meaning in lines.items():
        console.print(Text(f"  {line:{width}}  {meaning}"), soft_wrap=True)
    told = f"or, while a worker serves the run ({program()} worker), with one of the signals"
    console.print(Text(told), soft_wrap=True)
    for name in ("retry", "skip", "abort"):
        console.print(Text(f"  {signal(backend, run_id, name)}"), soft_wrap=True)
    console.print(Text(f"  {signal(backend, run_id, 'set_output')} --input JSON"), soft_wrap=True)
