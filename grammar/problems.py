"""One thing that is wrong in a file, as people are told of it."""

from collections.abc import Iterable
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import ClassVar


@dataclass(frozen=True, order=True)
class Problem:
    """One thing wrong in one file. Its texts are cut, and made printable, on one line each."""

    file: str
    """The file, as people call it; or what else is wrong, as `command line`."""
    line: int
    """The line, from 1; 0: there is none."""
    field: str
    """The field, as `taskflow[0].task.run`; empty: the file as a whole."""
    message: str
    """What is wrong, and what to do."""
    referrer: str = dataclass_field(default="", compare=False)
    """What led to the file, one of several perhaps; empty: no other file did. It is one problem all the same."""

    excerpt: str = dataclass_field(default="", compare=False)
    """The line itself, and a caret below the place in it, to be printed below; empty: nothing of it is shown."""

    FILE: ClassVar[int] = 1000
    FIELD: ClassVar[int] = 200
    MESSAGE: ClassVar[int] = 1000

    def __post_init__(self) -> None:
        shown = (("file", self.FILE), ("field", self.FIELD), ("message", self.MESSAGE), ("referrer", self.FIELD))
        for name, most in shown:
            object.__setattr__(self, name, _line(getattr(self, name), most))

    def __str__(self) -> str:
        position = f"{self.file}:{self.line}" if self.line else self.file
        text = f"{position}: {self.field}: {self.message}" if self.field else f"{position}: {self.message}"
        return f"{text} (referred to by {self.referrer})" if self.referrer else text

    @property
    def data(self) -> dict[str, str | int]:
        """Return the problem as JSON data; without `referrer` and `excerpt` where they are empty."""
        return {name: value for name, value in vars(self).items() if name not in ("referrer", "excerpt") or value}


def first(problems: Iterable[Problem], most: int = 1000) -> list[Problem]:
    """Return each problem once, at most `most` of them, and then one that says that there are more."""
    found = list(dict.fromkeys(problems))
    if len(found) <= most:
        return found
    more = Problem(found[most].file, 0, "", f"there is more; only the first {most:,} findings are told")
    return [*found[:most], more]


def _line(text: str, most: int) -> str:
    """In one line that can be printed, whatever the file has in it; as much of it as a person reads."""
    shown = text if len(text) <= most else f"{text[:most]} ..."
    if shown.isprintable():
        return shown
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in shown)
