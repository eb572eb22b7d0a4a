"""Questions to the person at the terminal."""

import json
import re
from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Literal, Protocol, cast

from pydantic import JsonValue
from rich.console import Console
from rich.prompt import InvalidResponse, Prompt
from rich.text import Text

from console import keyboard
from console.printable import first_line, printable, printable_name
from grammar.documents.budget import parse_amounts
from grammar.messages.budgets import BudgetRaise
from grammar.messages.reports import Action, Approval, ApprovalKind, Decision, Parked

Answer = Literal["yes", "no", "always", "detach", "cancel"]
_ACTIONS: dict[str, Action] = {
    "retry": "retry", "skip": "skip", "set-output": "set_output", "abort": "abort", "raise": "raise_budget",
}  # fmt: skip
# How a command begins that somebody types at a question, and the answers that go by another name there.
_PROGRAM = re.compile(r"^(?:\S*python[\d.]* )?\S*(?:starter\.py|taskflow) ")
_COMMANDS = {"approve": "yes", "reject": "no"}
_RAISE = ("raise", "add to the budget, and go on")
_MEANINGS = (
    ("retry", "run again what failed"),
    ("skip", "go on without it"),
    ("set-output", "go on with a value in its place"),
    ("abort", "end the run as failed"),
    ("leave", "decide later: it stays parked, and costs nothing"),
)


_QUESTIONS: dict[ApprovalKind, str] = {
    "approval": "allow it?", "unknown_outcome": "repeat it?", "fan_out": "start it?"
}  # fmt: skip


class Questioner(Protocol):
    """Where questions are asked while a run is followed."""

    def asking(self, about: str) -> AbstractContextManager[None]:
        """Have a question open for the length of the block. `about`: what it is about, in a line."""

    def tell(self, text: Text) -> None:
        """Print what belongs to the question."""

    async def read(self, prompt: str) -> str:
        """Return the line that is typed after the prompt. Raises EOFError."""


class _PrefixPrompt(Prompt):
    """The beginning of an answer is enough; the command that means the same is one, too."""

    def process_response(self, value: str) -> str:
        """Return the choice that is meant. Raises InvalidResponse."""
        if found := spoken_choice(value, self.choices or ()):
            return found
        raise InvalidResponse(f"please answer with one of: {', '.join(self.choices or ())}")


def spoken_choice(words: str, choices: Sequence[str]) -> str | None:
    """Return the choice that begins so, or whose command it is (`starter.py skip ID`); None: none, or several."""
    said = _PROGRAM.sub("", " ".join(words.lower().split()), count=1)
    said = said.replace("set output", "set-output").replace("set_output", "set-output")
    word, _, more = said.partition(" ")
    meant = "always" if word == "approve" and "--always" in more else _COMMANDS.get(word, word)
    found = [choice for choice in choices if choice.startswith(meant) and (not more or choice == meant)]
    return found[0] if meant and len(found) == 1 else None


async def detach_or_cancel(questioner: Questioner, run_id: str) -> Answer:
    """Ask whether to leave the run or to cancel it. The end of input detaches: nobody is there."""
    question = "detach (it goes on without you) or cancel?"
    with questioner.asking(f"leave run {run_id}"):
        try:
            return cast(Answer, await _choice(questioner, question, ["detach", "cancel"], "detach"))
        except EOFError:
            return "detach"


async def about_call(questioner: Questioner, approval: Approval) -> tuple[Answer, str]:
    """Ask whether the agent may make the call. Returns the answer, and why not, for the agent; empty without a reason.

    `always`: this one, and each other call of the tool in this run. End of input: `detach`, nobody is there.
    """
    question = _QUESTIONS[approval.kind]
    with questioner.asking(_call_line(approval)):
        choices = _tell_call(questioner, approval)
        try:
            answer = await _choice(questioner, question, choices)
            is_told = answer == "no" and approval.kind != "unknown_outcome"
            whom = " (told to the agent)" if approval.kind == "approval" else ""
            reason = await questioner.read(f"why not{whom}: ") if is_told else ""
        except EOFError:
            return "detach", ""
    return cast(Answer, answer), reason.strip()


async def about_parked(questioner: Questioner, parked: Parked) -> Decision | None:
    """Ask what is to become of a parked run; None leaves it parked, and so does the end of input."""
    with questioner.asking(first_line(f"{parked.task} is parked: {parked.failure.message}")):
        told = printable_name(f"parked: {parked.headline}; nothing that succeeded is run again")
        questioner.tell(Text(f"\n{told}", "bold yellow"))
        meanings = [*([_RAISE] if parked.is_at_budget else []), *_MEANINGS]
        for name, meaning in meanings:
            questioner.tell(Text(f"  {name:12}{meaning}"))
        try:
            answer = await _choice(questioner, "what now?", [name for name, _ in meanings])
            if answer == "leave":
                return None
            if answer == "raise":
                more = await _amounts(questioner, "by how much, as usd=3 or tokens=500k: ")
                return Decision(action="raise_budget", budget=more)
            value = await _json(questioner, "its output, as JSON: ") if answer == "set-output" else None
        except EOFError:
            return None
    return Decision(action=_ACTIONS[answer], task=parked.task, value=value)


async def _choice(questioner: Questioner, question: str, choices: Sequence[str], default: str = "") -> str:
    """Return the choice that is meant; `default`: that of an empty line. Raises EOFError."""
    preferred = f" ({default})" if default else ""
    while True:
        words = await questioner.read(f"{question} [{'/'.join(choices)}]{preferred}: ")
        if found := spoken_choice(words, choices) if words.strip() else default:
            return found
        questioner.tell(Text(f"please answer with one of: {', '.join(choices)}", "red"))


async def _json(questioner: Questioner, prompt: str) -> JsonValue:
    """Return the value that is typed. Raises EOFError."""
    while True:
        try:
            return json.loads(await questioner.read(prompt))  # type: ignore[no-any-return]
        except ValueError as error:
            questioner.tell(Text(f"not JSON ({error}); a text needs quotes", "red"))


async def _amounts(questioner: Questioner, prompt: str) -> BudgetRaise:
    """Return the amounts that are typed. Raises EOFError."""
    while True:
        try:
            return parse_amounts(BudgetRaise, (await questioner.read(prompt)).split())
        except ValueError as error:
            questioner.tell(Text(str(error), "red"))


def about_workers(console: Console, differences: list[str]) -> bool:
    """Ask whether to go on where a worker is not set up as the person meant. End of input and Ctrl-C are a no."""
    _start_question(console)
    console.print(Text("the worker is not set up as the run is started here", "bold yellow"))
    for difference in differences:
        console.print(Text(printable(f"  {difference}")))
    try:
        return _PrefixPrompt.ask("go on all the same?", choices=["yes", "no"], console=console) == "yes"
    except (EOFError, KeyboardInterrupt):
        return False


def about_shared_folder(console: Console, folder: str) -> bool:
    """Ask whether the folder is used by no other server. End of input and Ctrl-C are a no."""
    _start_question(console)
    console.print(Text(f"what no run of this server and namespace needs is removed from {folder}", "bold yellow"))
    try:
        answer = _PrefixPrompt.ask("does no other one use it?", choices=["yes", "no"], console=console)
    except (EOFError, KeyboardInterrupt):
        return False
    return answer == "yes"


def _start_question(console: Console) -> None:
    """What was typed before the question is no answer to it."""
    keyboard.discard_input()
    console.print()


def _tell_call(questioner: Questioner, approval: Approval) -> list[str]:
    """Tell which call waits, in full. Returns the answers that may be given."""
    if approval.kind == "approval":
        what = f"the agent wants to call {approval.tool} of {approval.toolbox} with"
        choices = ["yes", "no", "always", "detach", "cancel"]
    elif approval.kind == "fan_out":
        questioner.tell(Text(f"\n{printable_name(f'{approval.task}: {approval.arguments}')}", "bold yellow"))
        return ["yes", "no", "detach", "cancel"]
    else:
        what = f"a call of {approval.tool} was interrupted, and may have had an effect; it was made with"
        choices = ["yes", "no", "detach", "cancel"]
    questioner.tell(Text(f"\n{printable_name(f'{_branch(approval)}: {what}')}", "bold yellow"))
    questioner.tell(Text(_indented(approval.arguments)))
    if "always" in choices:
        questioner.tell(Text("always: this one, and each other call of the tool in this run", "dim"))
    return choices


def _call_line(approval: Approval) -> str:
    if approval.kind == "fan_out":
        return first_line(f"{approval.task}: {approval.arguments}")
    return first_line(f"{_branch(approval)}: {approval.tool}({approval.arguments})")


def _branch(approval: Approval) -> str:
    return f"{approval.task}, {approval.branch}" if approval.branch else approval.task


def _indented(arguments: str) -> str:
    """All of a call's arguments, as they may be printed; as a text, where they are no JSON."""
    try:
        given = json.loads(arguments)
    except (ValueError, RecursionError):
        given = arguments
    return printable(json.dumps(given, indent=2, ensure_ascii=False))
