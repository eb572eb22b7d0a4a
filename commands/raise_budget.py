"""`raise`: add to a budget of a run; one that is parked at it goes on."""

from typing import Annotated

import typer

from commands import options
from console.screen import open_screen
from grammar.messages.budgets import BudgetOf, BudgetRaise
from grammar.messages.reports import Decision


def raise_budget(
    run_id: options.RunId,
    amounts: Annotated[
        list[str] | None,
        typer.Argument(metavar="UNIT=AMOUNT...", help="How much: usd=3, tokens=500k, requests=100, time=30m."),
    ] = None,
    of: Annotated[
        str | None,
        typer.Option("--of", metavar="run|task|item", help="Whose budget; what the run is parked at, else its own."),
    ] = None,
    task: Annotated[
        str | None, typer.Option("--task", metavar="NAME", help="Which task, of --of task or item; the current one.")
    ] = None,
    detach: options.Detach = False,
    keep: options.Keep = False,
    yes: options.Yes = False,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Add to a budget of a run, and go on with it where it is parked at that."""
    if not amounts:
        raise options.wrong("", "say how much, as usd=3 or tokens=500k")
    more = options.amounts(BudgetRaise, amounts, "")
    decision = Decision(action="raise_budget", budget=more.model_copy(update={"of": _whose(of), "task": task}))
    from commands.continue_run import decide  # these load Temporal's client
    from commands.session import RunOptions

    wanted = RunOptions(detach=detach, keep=keep, json=json, debug=debug, yes=yes)
    return decide(run_id, decision, wanted, open_screen(json, quiet))


def _whose(of: str | None) -> BudgetOf | None:
    """Return whose budget is meant. Raises InvalidFlow."""
    known: dict[str | None, BudgetOf | None] = {None: None, "run": "run", "task": "task", "item": "item"}
    if of not in known:
        raise options.wrong("--of", f"{of!r}: write run, task or item")
    return known[of]
