"""Under which names the tools of several toolboxes reach the model (specification section 6). Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from grammar.documents.references import short_name

MAX_LENGTH = 64

ToolNames = dict[str, str]
"""The server's name of a tool, by the name that the model sees."""


def offered_names(toolboxes: Mapping[str, Sequence[str]]) -> dict[str, ToolNames]:
    """Return the names of each toolbox, by its reference.

    A name that two of them have gets the toolbox's short name as a prefix.
    """
    count = Counter(name for names in toolboxes.values() for name in set(names))
    taken = {name for name, times in count.items() if times == 1}
    found: dict[str, ToolNames] = {}
    for reference, names in toolboxes.items():
        found[reference] = {}
        for name in dict.fromkeys(names):
            offered = name if count[name] == 1 else _unique(_prefixed(short_name(reference), name), taken)
            taken.add(offered)
            found[reference][offered] = name
    return found


def _prefixed(short: str, name: str) -> str:
    """Put the prefix before the name. Where it gets too long, the prefix is cut first: the name says more."""
    letters = re.sub(r"[^A-Za-z0-9_-]", "_", short)
    prefix = letters if letters[:1].isalpha() else f"t_{letters}"
    room = max(1, MAX_LENGTH - len(name) - 1)
    return f"{prefix[:room]}_{name}"[:MAX_LENGTH]


def _unique(name: str, taken: set[str]) -> str:
    unique, number = name, 2
    while unique in taken:
        unique = f"{name[: MAX_LENGTH - len(str(number)) - 1]}_{number}"
        number += 1
    return unique
