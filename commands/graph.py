"""`--graph`: a flow as Mermaid text, or as a page."""

from collections.abc import Sequence
from pathlib import Path

from commands import written
from console.problems import tell_json, tell_warnings
from console.screen import Screen
from grammar import bundle, graph
from grammar.bundle import Order
from grammar.errors import InvalidFlow, Problem
from pictures import flow_page, mermaid


def run(flows: Sequence[str], order: Order, page: Path | None, view: Screen, json: bool) -> int:
    """Draw the flow. Returns the exit code. Raises InvalidFlow."""
    if len(flows) != 1:
        raise InvalidFlow([Problem("command line", 0, "--graph", "give one taskflow: starter.py --graph FLOW")])
    loaded = bundle.load(bundle.linting(order, flows[0]))
    tell_warnings(view, loaded.warnings)
    drawn = graph.graph(loaded.bundle)
    if page:
        written.write(page, flow_page.html(drawn), view)
    elif not json:
        print(mermaid.text(drawn), end="")
    if json:
        tell_json(drawn.model_dump())
    return 0
