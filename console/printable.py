"""Texts of models and tools, as they may be printed: nothing in them steers the terminal."""

import re
import unicodedata

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
# What may turn the order of what is read around.
_BIDIRECTIONAL = re.compile("[\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return the text without control codes, its line ends aside; tabs become spaces."""
    if text.isprintable():
        return text
    text = _BIDIRECTIONAL.sub("", _SEQUENCE.sub("", text.replace("\r\n", "\n")))
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) != "Cc").expandtabs(4)


def first_line(text: str, max_length: int = 200) -> str:
    """Return the first line that is not blank, printable, cut to `max_length` characters; empty without one."""
    line = next((line.strip() for line in printable(text).splitlines() if line.strip()), "")
    return line if len(line) <= max_length else f"{line[: max_length - 1]}…"
