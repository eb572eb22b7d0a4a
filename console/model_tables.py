"""Which models there are, in columns."""

from collections.abc import Sequence

from rich.console import Console
from rich.text import Text

from grammar.loading.model_list import ModelUse

EMBEDDED = "embedded toy model"


def print_models(console: Console, models: Sequence[ModelUse]) -> None:
    """Print one line per model, however wide: a line stays a line in a pipe."""
    if not models:
        console.print("no task asks a model")
        return
    rows = [("name", "model", "api", "endpoint", "key", "settings", "tasks"), *map(_row, models)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        console.print(Text(line.rstrip(), "bold" if row is rows[0] else ""))


def _row(model: ModelUse) -> tuple[str, ...]:
    settings = ", ".join(f"{name}={value}" for name, value in model.settings.items())
    return (
        model.name or "default",
        model.model,
        model.api_type,
        model.endpoint or EMBEDDED,
        _key(model),
        settings or "none",
        ", ".join(model.tasks) or "none",
    )


def print_default(console: Console, default: ModelUse, offered: Sequence[str] | None) -> None:
    """Print what answers where a flow names no model.

    `offered`: the models that the endpoint lists, None where it was not asked or did not say.
    """
    console.print(Text(f"endpoint  {default.endpoint or EMBEDDED}"))
    console.print(Text(f"key       {_key(default)}"))
    if default.endpoint:
        console.print(Text(f"model     {default.model}, unless a task names one"))
    if offered is not None:
        console.print(Text(f"offered   {len(offered)}"))
        for name in offered:
            console.print(Text(f"          {name}"))


def _key(model: ModelUse) -> str:
    if model.token is None:
        return "none"
    return f"{model.token} ({'set' if model.token_is_set else 'not set'})"
