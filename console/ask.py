"""Questions to the person at the terminal."""

import json
from typing import Literal, cast

from rich.console import Console
from rich.prompt import Prompt
from rich.text import Text

from grammar.contracts import Approval

Answer = Literal["yes", "no", "detach", "cancel"]


def detach_or_cancel(console: Console, run_id: str) -> bool:
    """Whether to detach; a second Ctrl-C or end of input cancels."""
    console.print()
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
    """Whether the agent may make the call, and why not. End of input detaches: nobody is there."""
    where = f"{approval.task}, {approval.branch}" if approval.branch else approval.task
    console.print()
    if approval.kind == "approval":
        what, question = f"the agent wants to call {approval.tool} of {approval.toolbox} with", "allow it?"
    else:
        what = f"a call of {approval.tool} was interrupted, and may have had an effect; it was made with"
        question = "repeat it?"
    console.print(Text(f"{where}: {what}", "bold yellow"))
    console.print(Text(_readable(approval.arguments)))
    try:
        answer = Prompt.ask(question, choices=["yes", "no", "detach", "cancel"], console=console)
        reason = (
            Prompt.ask("why not (told to the agent)", default="", show_default=False, console=console)
            if answer == "no" and approval.kind == "approval"
            else ""
        )
    except (EOFError, KeyboardInterrupt):
        return "detach", ""
    return cast(Answer, answer), reason.strip()


def _readable(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), indent=2, ensure_ascii=False)
    except ValueError:
        return arguments
