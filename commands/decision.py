"""What is to become of a parked task, as the command line says it."""

import json

from pydantic import JsonValue

from grammar.errors import InvalidFlow, Problem
from grammar.messages.reports import Action, Decision


def decision(retry: bool, skip: bool, set_output: str | None, abort: bool, task: str | None) -> Decision | None:
    """What the command line says is to become of a parked task. Raises InvalidFlow."""
    given: dict[Action, bool] = {"retry": retry, "skip": skip, "set_output": set_output is not None, "abort": abort}
    asked = [action for action, said in given.items() if said]
    if len(asked) > 1:
        names = " and ".join(f"--{action.replace('_', '-')}" for action in asked)
        raise InvalidFlow([Problem("command line", 0, "", f"give one of {names}, not both")])
    if not asked:
        return None
    return Decision(action=asked[0], task=task, value=_value(set_output) if set_output is not None else None)


def _value(text: str) -> JsonValue:
    try:
        return json.loads(text)  # type: ignore[no-any-return]
    except ValueError as error:
        message = f"not JSON ({error}); a text needs quotes: '\"text\"'"
        raise InvalidFlow([Problem("command line", 0, "--set-output", message)]) from None


def check(what: Decision | None, task: str | None) -> None:
    """Raise InvalidFlow for a decision without a run: a new one would be started, and the decision ignored."""
    if what or task:
        option = f"--{what.action.replace('_', '-')}" if what else "--task"
        raise InvalidFlow([Problem("command line", 0, option, "goes with --resume ID")])
