"""Texts of models and tools, as they may be printed: nothing in them steers the terminal."""

import re
import unicodedata

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
# What may turn the order of what is read around.
_TURNS = re.compile("[\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Without control codes, line ends and tabs aside."""
    if text.isprintable():
        return text
    text = _TURNS.sub("", _SEQUENCE.sub("", text.replace("\r\n", "\n")))
    return "".join(one for one in text if one in "\n\t" or unicodedata.category(one) != "Cc").expandtabs(4)


def first_line(text: str, most: int = 200) -> str:
    """The first line that says something, cut."""
    line = next((line.strip() for line in printable(text).splitlines() if line.strip()), "")
    return line if len(line) <= most else f"{line[: most - 1]}…"
