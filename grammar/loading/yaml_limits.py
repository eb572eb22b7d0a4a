"""How much a YAML text stands for, counted before any of it is built: a few aliases can mean billions of values."""

from collections.abc import Iterable
from dataclasses import dataclass

import yaml

from grammar.errors import InvalidFlow
from grammar.problems import Problem

MOST = 100_000
DEEPEST = 100


@dataclass
class _Collection:
    """A map or list that is open, or one that an anchor names."""

    values: int
    """While it is open, how many values came before it; then how many it has."""
    bottom: int
    """The lowest level in it, from the document while it is open; then from itself."""
    anchor: str | None = None
    """The anchor that names it; None: none does."""


def check(events: Iterable[yaml.Event], label: str) -> None:
    """Raise InvalidFlow for more values, or more levels of them, than a document may have.

    `label`: names the document to people.
    """
    counter = _ValueCounter()
    for event in events:
        if wrong := counter.take(event):
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise InvalidFlow([Problem(label, line, "", wrong)])


class _ValueCounter:
    def __init__(self) -> None:
        self._values = 0
        self._open: list[_Collection] = []
        self._named: dict[str, _Collection] = {}

    def take(self, event: yaml.Event) -> str | None:
        """Count one event in. What is too much, if anything is."""
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event.anchor)
        if isinstance(event, yaml.CollectionEndEvent):
            self._close()
        elif isinstance(event, yaml.NodeEvent):
            return self._node(event)
        return None

    def _node(self, event: yaml.NodeEvent) -> str | None:
        collection = _Collection(self._values, len(self._open) + 1, event.anchor)
        if event.anchor:
            self._named[event.anchor] = _Collection(1, 0)
        if isinstance(event, yaml.CollectionStartEvent):
            self._open.append(collection)
        return self._add(1, collection.bottom)

    def _alias(self, name: str | None) -> str | None:
        named = self._named.get(name or "", _Collection(1, 0))
        endless = any(name == collection.anchor for collection in self._open)
        if endless or self._values + named.values > MOST:
            return "its aliases make it endless or far too large"
        return self._add(named.values, len(self._open) + named.bottom)

    def _add(self, values: int, bottom: int) -> str | None:
        self._values += values
        if self._open:
            self._open[-1].bottom = max(self._open[-1].bottom, bottom)
        if bottom > DEEPEST:
            return f"nested too deeply: more than {DEEPEST} levels"
        return f"has more than {MOST:,} values; a taskflow document is a short text" if self._values > MOST else None

    def _close(self) -> None:
        closed, level = self._open.pop(), len(self._open)
        if self._open:
            self._open[-1].bottom = max(self._open[-1].bottom, closed.bottom)
        if closed.anchor:
            values = self._values - closed.values
            self._named[closed.anchor] = _Collection(values, closed.bottom - level, closed.anchor)
