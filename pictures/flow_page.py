"""A flow as a page."""

from grammar.loading.graph import Graph
from pictures.flow_layout import lay_out
from pictures.page import render_page


def html(graph: Graph) -> str:
    """Return the page: the drawing of the flow, and what its lines mean."""
    return render_page("flow.html", graph=graph, layout=lay_out(graph))
