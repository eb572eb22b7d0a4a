"""Texts of models, tools and files, as they may be printed."""

from grammar.printable import printable, printable_name

__all__ = ["first_line", "printable", "printable_name"]


def first_line(text: str, max_length: int = 200) -> str:
    """Return the first line that is not blank, printable, cut to `max_length` characters; empty without one."""
    line = next((line.strip() for line in printable(text).splitlines() if line.strip()), "")
    return line if len(line) <= max_length else f"{line[: max_length - 1]}…"
