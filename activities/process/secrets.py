"""The secrets of one activity: what must be put back before use, and hidden before anything is recorded."""

import os
from collections.abc import Iterable, Mapping
from typing import TypeVar

from pydantic import JsonValue

from grammar.errors import NoValue
from grammar.templating import env_allow
from grammar.templating.redaction import hide, reveal

T = TypeVar("T", bound=JsonValue)


class Secrets:
    """Hold the values that `env()` has returned in this run, as far as this activity knows of them.

    `names`: of the variables that `env()` has returned before; those that are not set here are left out.
    `key`: marks the run's references to variables.
    """

    def __init__(self, names: Iterable[str], key: str) -> None:
        self._key = key
        self._known = {name: os.environ[name] for name in names if os.environ.get(name)}

    @property
    def names(self) -> list[str]:
        """Return the names of the variables, sorted."""
        return sorted(self._known)

    def add(self, used: Mapping[str, str]) -> None:
        """Add what `env()` has returned since, by variable."""
        self._known.update(used)

    def hide(self, value: T) -> T:
        """Return the value as it may be recorded: with a reference in place of each secret."""
        return hide(value, self._known, self._key)

    def reveal(self, value: T) -> T:
        """Return the value as it is used: with the secret in place of each reference.

        Raises NoValue for a variable that is not set on this worker, or that flows may not read here.
        """
        try:
            return reveal(value, env_allow.readable(os.environ), self._key)
        except KeyError as error:
            allowed = env_allow.is_allowed(str(error.args[0]), os.environ)
            told = f"environment variable {error} is not set on this worker, as it was earlier in the run"
            raise NoValue(told if allowed else env_allow.refusal(str(error.args[0]))) from None
