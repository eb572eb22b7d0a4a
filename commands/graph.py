"""`--graph`: a flow as Mermaid text, or as a page."""

from collections.abc import Sequence
from pathlib import Path

from commands import html_file
from console.problems import print_json, print_warnings
from console.screen import Screen
from grammar.errors import InvalidFlow, Problem
from grammar.loading import bundle, graph
from grammar.loading.bundle import LoadOptions
from pictures import flow_page, mermaid


def run(flows: Sequence[str], order: LoadOptions, page: Path | None, view: Screen, json: bool) -> int:
    """Draw the flow. Returns the exit code. Raises InvalidFlow."""
    if len(flows) != 1:
        raise InvalidFlow([Problem("command line", 0, "--graph", "give one taskflow: starter.py --graph FLOW")])
    loaded = bundle.load(bundle.lint_options(order, flows[0]))
    print_warnings(view, loaded.warnings)
    drawn = graph.graph(loaded.bundle)
    if page:
        html_file.write(page, flow_page.html(drawn), view)
    elif not json:
        print(mermaid.text(drawn), end="")
    if json:
        print_json(drawn.model_dump())
    return 0
