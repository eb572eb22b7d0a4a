"""Under which names tools and handoffs reach the model (specification section 6). Pure."""

import re
from collections import Counter
from collections.abc import Collection, Mapping, Sequence

from grammar.documents.references import short_name
from grammar.documents.rules import HANDOFF

MAX_LENGTH = 64

ToolNames = dict[str, str]
"""The server's name of a tool, by the name that the model sees."""


def offered_names(
    toolboxes: Mapping[str, Sequence[str]], taken: Collection[str] = (), given: Mapping[str, ToolNames] | None = None
) -> dict[str, ToolNames]:
    """Return the names of each toolbox, by its reference.

    A name that two of them have gets the toolbox's short name as a prefix. What model APIs do not take (other than
    `[A-Za-z0-9_-]`, beyond MAX_LENGTH) is replaced. `taken`: names that the model sees for other things. `given`: the
    names so far, which stay.
    """
    found = {reference: dict((given or {}).get(reference, {})) for reference in toolboxes}
    named = {reference: set(names.values()) for reference, names in found.items()}
    count = Counter(name for reference, names in toolboxes.items() for name in named[reference].union(names))
    used = {*taken, *(offered for names in found.values() for offered in names)}
    kept = {name for name, times in count.items() if times == 1 and name == _allowed(name)} - used
    used |= kept
    for reference, names in toolboxes.items():
        for name in dict.fromkeys(name for name in names if name not in named[reference]):
            wanted = _allowed(name if count[name] == 1 else _prefixed(short_name(reference), name))
            offered = name if name in kept else _unique(wanted, used)
            used.add(offered)
            found[reference][offered] = name
    return found


def told_names(names: Mapping[str, ToolNames]) -> dict[str, str]:
    """Return what people are told, by the name that the model sees: the server's name, where only one toolbox has it.

    `names`: as `offered_names` returns them.
    """
    count = Counter(own for of_toolbox in names.values() for own in of_toolbox.values())
    return {
        offered: own if count[own] == 1 else offered
        for of_toolbox in names.values()
        for offered, own in of_toolbox.items()
    }


def is_named(own: str, toolbox: str, names: Collection[str]) -> bool:
    """Return whether a tool is among the names that people write: the server's, or as models see it.

    `own`: the server's name of it. `toolbox`: the reference of its toolbox.
    """
    return not {own, _allowed(own), _allowed(_prefixed(short_name(toolbox), own))}.isdisjoint(names)


def handoff_names(agents: Sequence[str]) -> list[str]:
    """Return the names of the handoff tools to agents of these names, in their order; no two are the same."""
    found: list[str] = []
    for agent in agents:
        found.append(_unique(handoff_name(f"{HANDOFF}{agent}"), set(found)))
    return found


def handoff_name(wanted: str) -> str:
    """Return the name of a handoff tool in letters that model APIs take."""
    return re.sub(r"[^a-z0-9_]", "_", wanted.lower())[:MAX_LENGTH]


def _allowed(name: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "_", name)[:MAX_LENGTH] or "_"


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
