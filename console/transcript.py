"""What agents said and did, told whole once it is over, or as far as it is."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from console.event_formatter import SIGNS, STYLES
from console.printable import printable, printable_name
from grammar.messages.activity_results import TranscriptEntry


def print_transcript(console: Console, heading: str, prompt: str, entries: Sequence[TranscriptEntry]) -> None:
    """Print a branch: its heading, what it was asked, and each entry of its transcript in full."""
    console.print(Text(printable_name(heading), "bold"))
    if prompt and not any(entry.kind == "prompt" for entry in entries):
        _print("", "prompt", prompt, console)
    for entry in entries:
        _print("" if entry.kind == "shell" else f"{printable_name(entry.who)}: ", entry.kind, entry.text, console)
    console.print()


def _print(who: str, kind: str, text: str, console: Console) -> None:
    first, *more = printable(text).splitlines() or [""]
    for line in (f"  {who}{SIGNS[kind]}{first}", *(f"    {line}" for line in more)):
        console.print(Text(line, STYLES[kind]))
