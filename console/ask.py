"""Questions to the person at the terminal."""

import json
from typing import Literal, cast

from pydantic import JsonValue
from rich.console import Console
from rich.prompt import InvalidResponse, Prompt
from rich.text import Text

from console import keyboard
from console.printable import printable
from grammar.messages.reports import Action, Approval, Decision, Parked

Answer = Literal["yes", "no", "always", "detach", "cancel"]
_DECISIONS: dict[str, Action] = {"retry": "retry", "skip": "skip", "set output": "set_output", "abort": "abort"}
_MEANINGS = (
    ("retry", "run again what failed"),
    ("skip", "go on without it"),
    ("set output", "go on with a value in its place"),
    ("abort", "end the run as failed"),
    ("leave", "decide later: it stays parked, and costs nothing"),
)


class _Choice(Prompt):
    """The beginning of an answer is enough."""

    def process_response(self, value: str) -> str:
        """Raises InvalidResponse."""
        found = [one for one in self.choices or () if one.startswith(value.strip().lower())]
        if not value.strip() or len(found) != 1:
            raise InvalidResponse(self.illegal_choice_message)
        return found[0]


def detach_or_cancel(console: Console, run_id: str) -> bool:
    """Whether to detach; a second Ctrl-C or end of input cancels."""
    _begin(console)
    try:
        answer = Prompt.ask(
            f"run {run_id}: detach (it goes on without you) or cancel?",
            choices=["detach", "cancel"],
            default="detach",
            console=console,
        )
    except (EOFError, KeyboardInterrupt):
        return False
    return answer == "detach"


def about_call(console: Console, approval: Approval) -> tuple[Answer, str]:
    """Whether the agent may make the call, and why not. End of input detaches: nobody is there.

    `always`: this one, and each other call of the tool in this run.
    """
    where = f"{approval.task}, {approval.branch}" if approval.branch else approval.task
    _begin(console)
    if approval.kind == "approval":
        what, question = f"the agent wants to call {approval.tool} of {approval.toolbox} with", "allow it?"
        choices = ["yes", "no", "always", "detach", "cancel"]
    else:
        what = f"a call of {approval.tool} was interrupted, and may have had an effect; it was made with"
        question, choices = "repeat it?", ["yes", "no", "detach", "cancel"]
    console.print(Text(printable(f"{where}: {what}"), "bold yellow"))
    console.print(Text(_readable(approval.arguments)))
    if "always" in choices:
        console.print(Text("always: this one, and each other call of the tool in this run", "dim"))
    try:
        answer = _Choice.ask(question, choices=choices, console=console)
        reason = (
            Prompt.ask("why not (told to the agent)", default="", show_default=False, console=console)
            if answer == "no" and approval.kind == "approval"
            else ""
        )
    except (EOFError, KeyboardInterrupt):
        return "detach", ""
    return cast(Answer, answer), reason.strip()


def about_parked(console: Console, parked: Parked) -> Decision | None:
    """What is to become of the run; None leaves it parked, and so do Ctrl-C and the end of input."""
    _begin(console)
    console.print(Text(f"{parked.task} is parked; nothing that succeeded is run again", "bold yellow"))
    for name, meaning in _MEANINGS:
        console.print(Text(f"  {name:12}{meaning}"))
    try:
        answer = _Choice.ask("what now?", choices=[name for name, _ in _MEANINGS], console=console)
        if answer == "leave":
            return None
        action = _DECISIONS[answer]
        value = _Json.ask("its output, as JSON", console=console) if action == "set_output" else None
    except (EOFError, KeyboardInterrupt):
        return None
    return Decision(action=action, task=parked.task, value=value)


def _begin(console: Console) -> None:
    """What was typed before the question is no answer to it."""
    keyboard.forget()
    console.print()


class _Json(Prompt):
    """A value, as JSON."""

    def process_response(self, value: str) -> JsonValue:  # type: ignore[override]
        """Raises InvalidResponse."""
        try:
            return json.loads(value)  # type: ignore[no-any-return]
        except ValueError as error:
            raise InvalidResponse(f"not JSON ({error}); a text needs quotes") from None


def _readable(arguments: str) -> str:
    try:
        return printable(json.dumps(json.loads(arguments), indent=2, ensure_ascii=False))
    except ValueError:
        return printable(arguments)
