"""Which models there are, in columns."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from grammar.loading.model_list import ModelUse

EMBEDDED = "embedded toy model"


def print_models(console: Console, found: Sequence[ModelUse]) -> None:
    """One line per model, however wide: a line stays a line in a pipe."""
    if not found:
        console.print("no task asks a model")
        return
    rows = [("name", "model", "api", "endpoint", "key", "settings", "tasks"), *map(_row, found)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.print(Text(line.rstrip(), "bold" if row is rows[0] else ""))


def _row(one: ModelUse) -> tuple[str, ...]:
    settings = ", ".join(f"{name}={value}" for name, value in one.settings.items())
    tasks = ", ".join(one.tasks) or "none"
    return (
        one.name or "default",
        one.model,
        one.api_type,
        one.endpoint or EMBEDDED,
        _key(one),
        settings or "none",
        tasks,
    )


def print_default(console: Console, default: ModelUse, offered: Sequence[str] | None) -> None:
    """What answers where a flow says nothing about it."""
    console.print(Text(f"endpoint  {default.endpoint or EMBEDDED}"))
    console.print(Text(f"key       {_key(default)}"))
    if default.endpoint:
        console.print(Text(f"model     {default.model}, unless a task names one"))
    if offered is not None:
        console.print(Text(f"offered   {len(offered)}"))
        for name in offered:
            console.print(Text(f"          {name}"))


def _key(one: ModelUse) -> str:
    if one.token is None:
        return "none"
    return f"{one.token} ({'set' if one.token_is_set else 'not set'})"
