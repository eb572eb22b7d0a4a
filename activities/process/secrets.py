"""The secrets of one activity: what must be put back before use, and hidden before anything is recorded."""

import os
from collections.abc import Iterable, Iterator, Mapping
from typing import TypeVar

from pydantic import JsonValue

from activities.process.long_texts import changed
from grammar.errors import NoValue
from grammar.model_access.endpoint import KEYS
from grammar.templating import env_allow
from grammar.templating.redaction import hide, mask, reach, reveal
from grammar.templating.urls_in_texts import bare_urls

T = TypeVar("T", bound=JsonValue)

# What has been a secret for any activity of this process, by variable: its log goes by no activity.
_known_to_process: dict[str, str] = {}


class Secrets:
    """Hold the values that `env()` has returned in this run, as far as this activity knows of them, and models' keys.

    `names`: of the variables that `env()` has returned before; those that are not set here cannot be put back.
    `key`: marks the run's references to variables. `tokens`: names of more variables that hold models' keys.
    """

    def __init__(self, names: Iterable[str], key: str, tokens: Iterable[str] = ()) -> None:
        self._key = key
        self._asked = set(names)
        self._known = _set_here(self._asked)
        self._model_keys = _set_here([*KEYS, *tokens])
        _known_to_process.update(self._model_keys | self._known)

    @property
    def names(self) -> list[str]:
        """Return the names of the variables that `env()` has returned and that are set here, sorted."""
        return sorted(self._known)

    def add(self, used: Mapping[str, str]) -> None:
        """Add what `env()` has returned since, by variable."""
        self._asked.update(used)
        self._known.update(used)
        _known_to_process.update(used)

    def hide(self, value: T) -> T:
        """Return the value as it may be recorded: with a reference in place of each secret; models' keys are taken out.

        `value` comes from outside: what looks like a reference in it stands for nothing.
        """
        return hide(value, self._known, self._key, self._model_keys)

    def hide_pieces(self, pieces: Iterable[str]) -> Iterator[str]:
        """Yield a text in pieces as it may be recorded; no more than some of them are in memory."""
        return changed(pieces, self.hide, reach([*self._known.values(), *self._model_keys.values()]))

    def mask(self, text: str) -> str:
        """Return the text as people may read it: with the names of variables in place of secrets and references."""
        return mask(text, {**self._model_keys, **self._known})

    def told(self, error: str) -> str:
        """Return an error's text as people may read it: masked, and without the secrets that URLs may hold."""
        return bare_urls(self.mask(error))

    def reveal(self, value: T) -> T:
        """Return the value as it is used: with the secret in place of each reference to what `env()` has returned.

        Raises NoValue for a variable that is not set on this worker, or that flows may not read here.
        """
        try:
            return reveal(value, self._asked, env_allow.readable(os.environ), self._key)
        except KeyError as error:
            allowed = env_allow.is_allowed(str(error.args[0]), os.environ)
            told = f"environment variable {error} is not set on this worker, as it was earlier in the run"
            raise NoValue(told if allowed else env_allow.refusal(str(error.args[0]))) from None


def mask_all(text: str) -> str:
    """Return the text with the names of variables in place of all that is a secret for anybody in this process."""
    return mask(text, _set_here(KEYS) | _known_to_process)


def _set_here(names: Iterable[str]) -> dict[str, str]:
    return {name: value for name in names if (value := os.environ.get(name))}
