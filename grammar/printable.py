"""Texts from outside as they may be printed, in a terminal, a log or the Web UI: nothing steers what shows them."""

import re
import unicodedata

_SEQUENCE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\^_])")
# What may turn the order of what is read around.
_BIDIRECTIONAL = re.compile("[\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """Return the text without control codes, its line ends aside; tabs become spaces."""
    if text.isprintable():
        return text
    text = _BIDIRECTIONAL.sub("", _SEQUENCE.sub("", text.replace("\r\n", "\n")))
    return "".join(char for char in text if char in "\n\t" or unicodedata.category(char) != "Cc").expandtabs(4)


def printable_name(name: str) -> str:
    """Return a name or an id on one line: it can make up no line of its own."""
    return " ".join(printable(name).splitlines()) if not name.isprintable() else name
