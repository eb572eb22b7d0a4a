"""What stands on the command line, checked alike for every command before it sees it."""

from collections.abc import Iterator
from typing import Any

from commands.options import wrong

LONGEST_ID = 1000
"""Characters, as Temporal takes them."""
# They are prompts, answers and values: they may be empty.
_FREE = ("TEXT", "JSON", "KEY=VALUE")


class CheckedWords:
    """A command whose values are checked: mixed into typer's. `params`: what it takes."""

    params: list[Any]

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Read the words. Raises InvalidFlow for one that no command can do anything with."""
        left: list[str] = super().parse_args(ctx, args)  # type: ignore[misc]
        for param in self.params:
            for text in _texts(ctx.params.get(param.name)):
                check(param.opts[0] if param.param_type_name == "option" else param.metavar, param.metavar, text)
        return left


def check(name: str, kind: str | None, text: str) -> None:
    """Raise InvalidFlow for a value that is empty, is no text, or can be no id. `kind`: what the help calls it."""
    if not text.strip() and kind not in _FREE:
        raise wrong(name, f"{text!r} is empty; is a variable of the shell not set?")
    if any("\ud800" <= sign <= "\udfff" for sign in text) and kind != "FLOW":  # names of files may be any bytes
        raise wrong(name, f"{text!r} is not UTF-8 text")
    if kind == "ID" and not text.isprintable():
        raise wrong(name, f"{text!r} can be no id: it has signs that cannot be printed")
    if kind == "ID" and len(text.encode()) > LONGEST_ID:
        raise wrong(name, f"an id has at most {LONGEST_ID:,} characters, and this one {len(text):,}")


def _texts(value: Any) -> Iterator[str]:
    """Yield the texts that were given; paths are whatever files are called."""
    for one in value if isinstance(value, list | tuple) else [value]:
        if isinstance(one, str):
            yield one
