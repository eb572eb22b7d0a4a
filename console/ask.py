"""Questions to the person at the terminal."""

import asyncio
import json
import re
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from contextlib import suppress
from typing import Literal, TypeVar, cast

from pydantic import JsonValue
from rich.console import Console
from rich.prompt import InvalidResponse, Prompt
from rich.text import Text

from console import keyboard
from console.printable import printable, printable_name
from grammar.messages.reports import Action, Approval, Decision, Parked

T = TypeVar("T")
Answer = Literal["yes", "no", "always", "detach", "cancel"]
_ACTIONS: dict[str, Action] = {"retry": "retry", "skip": "skip", "set-output": "set_output", "abort": "abort"}
# How a command begins that somebody types at a question, and the answers that go by another name there.
_PROGRAM = re.compile(r"^(?:\S*python[\d.]* )?\S*(?:starter\.py|taskflow) ")
_COMMANDS = {"approve": "yes", "reject": "no"}
_MEANINGS = (
    ("retry", "run again what failed"),
    ("skip", "go on without it"),
    ("set-output", "go on with a value in its place"),
    ("abort", "end the run as failed"),
    ("leave", "decide later: it stays parked, and costs nothing"),
)


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


class _JsonPrompt(Prompt):
    """The answer is a value, as JSON."""

    def process_response(self, value: str) -> JsonValue:  # type: ignore[override]
        """Return the value. Raises InvalidResponse."""
        try:
            return json.loads(value)  # type: ignore[no-any-return]
        except ValueError as error:
            raise InvalidResponse(f"not JSON ({error}); a text needs quotes") from None


async def unhurried(question: Callable[[], T]) -> T:
    """Return what the question returns. It is left to its own thread, which holds up nothing where nobody answers."""
    loop = asyncio.get_running_loop()
    answer: asyncio.Future[T] = loop.create_future()

    def take(given: Future[T]) -> None:
        if answer.cancelled():
            return
        if error := given.exception():
            answer.set_exception(error)
        else:
            answer.set_result(given.result())

    def put() -> None:
        given: Future[T] = Future()
        try:
            given.set_result(question())
        except Exception as error:
            given.set_exception(error)
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(take, given)

    threading.Thread(target=put, name="question", daemon=True).start()
    return await answer


def detach_or_cancel(console: Console, run_id: str) -> Answer:
    """Ask whether to leave the run or to cancel it. Ctrl-C and the end of input detach: nobody is there."""
    _start_question(console)
    try:
        answer = _PrefixPrompt.ask(
            f"run {printable_name(run_id)}: detach (it goes on without you) or cancel?",
            choices=["detach", "cancel"],
            default="detach",
            console=console,
        )
    except (EOFError, KeyboardInterrupt):
        return "detach"
    return cast(Answer, answer)


def about_call(console: Console, approval: Approval) -> tuple[Answer, str]:
    """Ask whether the agent may make the call. Returns the answer, and why not, for the agent; empty without a reason.

    `always`: this one, and each other call of the tool in this run. End of input and Ctrl-C: `detach`, nobody is there.
    """
    _start_question(console)
    choices = _print_call(console, approval)
    question = "allow it?" if approval.kind == "approval" else "repeat it?"
    try:
        answer = _PrefixPrompt.ask(question, choices=choices, console=console)
        reason = (
            Prompt.ask("why not (told to the agent)", default="", show_default=False, console=console)
            if answer == "no" and approval.kind == "approval"
            else ""
        )
    except (EOFError, KeyboardInterrupt):
        return "detach", ""
    return cast(Answer, answer), reason.strip()


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


def about_parked(console: Console, parked: Parked) -> Decision | None:
    """Ask what is to become of a parked run; None leaves it parked, and so do Ctrl-C and the end of input."""
    _start_question(console)
    console.print(Text(f"{printable_name(parked.task)} is parked; nothing that succeeded is run again", "bold yellow"))
    for name, meaning in _MEANINGS:
        console.print(Text(f"  {name:12}{meaning}"))
    try:
        answer = _PrefixPrompt.ask("what now?", choices=[name for name, _ in _MEANINGS], console=console)
        if answer == "leave":
            return None
        action = _ACTIONS[answer]
        value = _JsonPrompt.ask("its output, as JSON", console=console) if action == "set_output" else None
    except (EOFError, KeyboardInterrupt):
        return None
    return Decision(action=action, task=parked.task, value=value)


def _start_question(console: Console) -> None:
    """What was typed before the question is no answer to it."""
    keyboard.discard_input()
    console.print()


def _print_call(console: Console, approval: Approval) -> list[str]:
    """Print the call that waits. Returns the answers that may be given."""
    if approval.kind == "approval":
        what = f"the agent wants to call {approval.tool} of {approval.toolbox} with"
        choices = ["yes", "no", "always", "detach", "cancel"]
    else:
        what = f"a call of {approval.tool} was interrupted, and may have had an effect; it was made with"
        choices = ["yes", "no", "detach", "cancel"]
    branch = f"{approval.task}, {approval.branch}" if approval.branch else approval.task
    console.print(Text(printable_name(f"{branch}: {what}"), "bold yellow"))
    console.print(Text(_indented(approval.arguments)))
    if "always" in choices:
        console.print(Text("always: this one, and each other call of the tool in this run", "dim"))
    return choices


def _indented(arguments: str) -> str:
    """All of a call's arguments, as they may be printed; as a text, where they are no JSON."""
    try:
        given = json.loads(arguments)
    except (ValueError, RecursionError):
        given = arguments
    return printable(json.dumps(given, indent=2, ensure_ascii=False))
