"""Which models there are, and what they would be used for and cost, in columns."""

from collections.abc import Iterator, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from console.printable import printable_name
from grammar.inspection.estimate import CHARACTERS, HIGH, LOW, Estimate, Spending, TaskEstimate
from grammar.loading.model_list import ModelUse
from grammar.messages.asked_models import Cost
from grammar.model_access.prices import dollars, is_embedded

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


def print_estimate(console: Console, found: Estimate) -> None:
    """Print a line for each task, the sum, and what it all rests on."""
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("task", "branches", "prompt tokens", "requests", "tokens in", "tokens out", "cost"):
        table.add_column(column)
    for task in found.tasks:
        table.add_row(Text(printable_name(task.name)), *_cells(task))
    console.print(table)
    requests = _span(found.low.usage.requests, found.high.usage.requests)
    costs = _costs(found.low, found.high)
    told = f"{found.flow}: {requests} model requests, {costs or 'and no price is known'}"
    console.print(Text(printable_name(told), "bold"))
    for line in _grounds(found):
        console.print(Text(printable_name(line), "dim"))


def _cells(task: TaskEstimate) -> Iterator[str]:
    yield f"{task.branches:,}{'?' if task.made_up else ''}"
    if task.basis == "script":
        yield from [""] * 5
        return
    low, high = task.low.usage, task.high.usage
    yield f"{task.prompt_tokens:,}"
    yield _span(low.requests, high.requests)
    yield _span(low.input_tokens, high.input_tokens)
    yield _span(low.output_tokens, high.output_tokens)
    yield _costs(task.low, task.high) or "–"


def _span(low: int, high: int) -> str:
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _costs(low: Spending, high: Spending) -> str:
    """Return both costs; empty where no price is known."""
    unpriced = [model for model in high.cost.unpriced if not is_embedded(model)]
    if high.cost.unpriced and not high.cost.usd:
        return "" if unpriced else "$0.00"
    ends = list(dict.fromkeys(map(dollars, (low.cost.usd, high.cost.usd))))
    return ("over " if unpriced else "") + " to ".join(ends) + (" estimated" if high.cost.estimated else "")


def _grounds(found: Estimate) -> Iterator[str]:
    """Yield what it rests on, a line each."""
    yield f"prompts as in the dry run {found.dry_run}, {CHARACTERS} characters for a token"
    bases = {task.basis for task in found.tasks}
    if found.earlier_run:
        yield f"branches as those of run {found.earlier_run}: from its lower quarter to its upper one"
    if "assumed" in bases:
        who = "of tasks that it does not have" if found.earlier_run else "no run of this flow has come to its end"
        yield (
            f"assumed, {who}: an agent with tools asks {LOW.requests} to {HIGH.requests} times and writes {LOW.output} "
            f"to {HIGH.output:,} tokens each time, a tool gives {LOW.result} to {HIGH.result:,}"
        )
    if made_up := [task.name for task in found.tasks if task.made_up]:
        yield (
            f"how many items there are for {', '.join(made_up)} is made up (?): rules for the dry run can say it, "
            "or an earlier run"
        )
    yield from _without_price(found.high.cost)


def _without_price(cost: Cost) -> Iterator[str]:
    unpriced = [model for model in cost.unpriced if not is_embedded(model)]
    if unpriced:
        yield f"no price is known of {', '.join(unpriced)}: `prices` in a model config says it"
    if len(unpriced) < len(cost.unpriced):
        yield "no model is configured, so the toy model answers, which costs nothing"
