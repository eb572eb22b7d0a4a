"""Under which names the tools of several toolboxes reach the model (specification section 6). Pure."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence

from grammar.documents.references import short_name

LONGEST = 64

Names = dict[str, str]
"""What the server calls a tool, by the name that the model sees."""


def offered(toolboxes: Mapping[str, Sequence[str]]) -> dict[str, Names]:
    """The names of each toolbox, by its reference. A name that two of them have gets the short name as a prefix."""
    count = Counter(name for names in toolboxes.values() for name in set(names))
    taken = {name for name, times in count.items() if times == 1}
    found: dict[str, Names] = {}
    for reference, names in toolboxes.items():
        found[reference] = {}
        for name in dict.fromkeys(names):
            seen = name if count[name] == 1 else _unique(_prefixed(short_name(reference), name), taken)
            taken.add(seen)
            found[reference][seen] = name
    return found


def _prefixed(short: str, name: str) -> str:
    """Where it gets too long, the prefix is cut first: the tool's own name says more."""
    letters = re.sub(r"[^A-Za-z0-9_-]", "_", short)
    prefix = letters if letters[:1].isalpha() else f"t_{letters}"
    room = max(1, LONGEST - len(name) - 1)
    return f"{prefix[:room]}_{name}"[:LONGEST]


def _unique(name: str, taken: set[str]) -> str:
    seen, number = name, 2
    while seen in taken:
        seen = f"{name[: LONGEST - len(str(number)) - 1]}_{number}"
        number += 1
    return seen
