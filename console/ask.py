"""Questions to the person at the terminal."""

from rich.console import Console
from rich.prompt import Prompt


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
