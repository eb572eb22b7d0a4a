"""How much a YAML text stands for, counted before any of it is built: a few aliases can mean billions of values."""

from collections.abc import Iterable
from dataclasses import dataclass

import yaml

from grammar.errors import InvalidFlow, Problem

MOST = 100_000
DEEPEST = 100


@dataclass
class _Part:
    """A map or list: how many values came before it, and later, how many it has; the lowest level in it."""

    values: int
    bottom: int
    anchor: str | None = None


def check(events: Iterable[yaml.Event], label: str) -> None:
    """Raise InvalidFlow for more values, or more levels of them, than a document may have."""
    extent = _Extent()
    for event in events:
        if wrong := extent.take(event):
            line = event.start_mark.line + 1 if event.start_mark else 0
            raise InvalidFlow([Problem(label, line, "", wrong)])


class _Extent:
    def __init__(self) -> None:
        self._values = 0
        self._open: list[_Part] = []
        self._named: dict[str, _Part] = {}

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
        part = _Part(self._values, len(self._open) + 1, event.anchor)
        if event.anchor:
            self._named[event.anchor] = _Part(1, 0)
        if isinstance(event, yaml.CollectionStartEvent):
            self._open.append(part)
        return self._add(1, part.bottom)

    def _alias(self, name: str | None) -> str | None:
        part = self._named.get(name or "", _Part(1, 0))
        endless = any(name == one.anchor for one in self._open)
        if endless or self._values + part.values > MOST:
            return "its aliases make it endless or far too large"
        return self._add(part.values, len(self._open) + part.bottom)

    def _add(self, values: int, bottom: int) -> str | None:
        self._values += values
        if self._open:
            self._open[-1].bottom = max(self._open[-1].bottom, bottom)
        if bottom > DEEPEST:
            return f"nested too deeply: more than {DEEPEST} levels"
        return f"has more than {MOST:,} values; a taskflow document is a short text" if self._values > MOST else None

    def _close(self) -> None:
        part, level = self._open.pop(), len(self._open)
        if self._open:
            self._open[-1].bottom = max(self._open[-1].bottom, part.bottom)
        if part.anchor:
            self._named[part.anchor] = _Part(self._values - part.values, part.bottom - level, part.anchor)
