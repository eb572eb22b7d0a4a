"""The secrets of one activity: what must be put back before use, and hidden before anything is recorded."""

import os
from collections.abc import Iterable, Mapping
from typing import TypeVar

from pydantic import JsonValue

from grammar.errors import NoValue
from grammar.templating.redaction import hide, reveal

T = TypeVar("T", bound=JsonValue)


class Secrets:
    """Variables that `env()` handed out, by name. `private`: values that are never referred to, only hidden."""

    def __init__(self, names: Iterable[str], key: str) -> None:
        self._key = key
        self._known = {name: os.environ[name] for name in names if os.environ.get(name)}

    @property
    def names(self) -> list[str]:
        """The names, sorted."""
        return sorted(self._known)

    def add(self, used: Mapping[str, str]) -> None:
        """Take in what `env()` handed out since."""
        self._known.update(used)

    def hide(self, value: T) -> T:
        """The value as it may be recorded."""
        return hide(value, self._known, self._key)

    def reveal(self, value: T) -> T:
        """The value as it is used. Raises NoValue for a variable that is not set on this worker."""
        try:
            return reveal(value, os.environ, self._key)
        except KeyError as error:
            raise NoValue(
                f"environment variable {error} is not set on this worker, as it was earlier in the run"
            ) from None
