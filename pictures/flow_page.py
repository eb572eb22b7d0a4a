"""A flow as a page."""

from grammar.loading.graph import Graph
from pictures.drawing import drawing
from pictures.page import page


def html(graph: Graph) -> str:
    """The drawing, and what its lines mean."""
    return page("flow.html", graph=graph, drawing=drawing(graph))
