"""A text in which a regular expression is found, made up. Best effort: look-arounds are not obeyed."""

import re
from collections.abc import Callable, Iterable
from re import _constants as codes  # type: ignore[attr-defined]
from re import _parser as parser  # type: ignore[attr-defined]
from typing import Any

_MOST = 1_000
_LONGEST = 1_000_000
_CATEGORIES = {
    codes.CATEGORY_DIGIT: "0",
    codes.CATEGORY_WORD: "a",
    codes.CATEGORY_SPACE: " ",
    codes.CATEGORY_NOT_DIGIT: "a",
    codes.CATEGORY_NOT_WORD: "-",
    codes.CATEGORY_NOT_SPACE: "a",
}
_ANY = "abcxyzABCXYZ0123456789-_ .,:;/!?@#()[]{}<>|+*=~^$%&'\"\\`é\n"


def sample(pattern: str, least: int = 0) -> str:
    """Return a text that fits the pattern, with at least so many characters where its repeats allow that.

    It may not fit, and be empty, where the pattern is beyond what is understood.
    """
    text = ""
    try:
        tree = parser.parse(pattern)
        for more in (0, 1, least):
            text = _Sample(more).of(tree)
            if len(text) >= least and re.search(pattern, text):
                break
    except (re.error, RecursionError, OverflowError):
        pass
    return text


class _Sample:
    """`more`: how often something is repeated where it may be."""

    def __init__(self, more: int) -> None:
        self._more = more
        self._groups: dict[int, str] = {}

    def of(self, tree: Iterable[tuple[Any, Any]]) -> str:
        return "".join(self._part(code, argument) for code, argument in tree)

    def _part(self, code: Any, argument: Any) -> str:
        if code in _CHARACTER:
            return _CHARACTER[code](argument)
        if code is codes.BRANCH:
            return self.of(argument[1][0])
        if code in (codes.MAX_REPEAT, codes.MIN_REPEAT, codes.POSSESSIVE_REPEAT):
            return self._repeat(*argument)
        return self._group(code, argument)

    def _repeat(self, least: int, most: int, tree: Any) -> str:
        text = self.of(tree)
        times = min(max(least, self._more), most, max(least, _MOST), _MOST * 10)
        if len(text) * times > _LONGEST:
            raise OverflowError
        return text * times

    def _group(self, code: Any, argument: Any) -> str:
        if code is codes.SUBPATTERN:
            text = self.of(argument[3])
            if argument[0] is not None:
                self._groups[argument[0]] = text
            return text
        if code is codes.GROUPREF:
            return self._groups.get(argument, "")
        return self.of(argument) if code is codes.ATOMIC_GROUP else ""


def _from_set(choices: list[tuple[Any, Any]]) -> str:
    """A character of a set such as `[a-z0-9]`, or `[^x]`."""
    if choices[0][0] is codes.NEGATE:
        return next((sign for sign in _ANY if not any(_is_in(sign, *choice) for choice in choices[1:])), "")
    code, argument = choices[0]
    if code is codes.RANGE:
        return chr(argument[0])
    return chr(argument) if code is codes.LITERAL else _CATEGORIES.get(argument, "")


_CHARACTER: dict[Any, Callable[[Any], str]] = {
    codes.LITERAL: chr,
    codes.ANY: lambda _: "a",
    codes.NOT_LITERAL: lambda argument: next(sign for sign in _ANY if ord(sign) != argument),
    codes.IN: _from_set,
}


def _is_in(character: str, code: Any, argument: Any) -> bool:
    if code is codes.LITERAL:
        return bool(ord(character) == argument)
    if code is codes.RANGE:
        return bool(argument[0] <= ord(character) <= argument[1])
    tests = {
        codes.CATEGORY_DIGIT: r"\d", codes.CATEGORY_WORD: r"\w", codes.CATEGORY_SPACE: r"\s",
        codes.CATEGORY_NOT_DIGIT: r"\D", codes.CATEGORY_NOT_WORD: r"\W", codes.CATEGORY_NOT_SPACE: r"\S",
    }  # fmt: skip
    return re.match(tests.get(argument, "$"), character) is not None
