"""Jinja as a parser alone: a template's tree and its tokens, with nothing in it evaluated."""

import contextlib
from itertools import islice
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.meta import TrackingCodeGenerator
from jinja2.utils import pass_context

from grammar.templating.templates import Sandbox

MAX_CHARACTERS = 256 * 1024
TAGS = ("{{", "{%", "{#")


class _ParsingSandbox(Sandbox):
    """Compiles, and works out nothing on the way: Jinja evaluates constant expressions when it compiles."""

    intercepted_binops = frozenset(Sandbox.default_binop_table)
    intercepted_unops = frozenset(Sandbox.default_unop_table)

    def __init__(self) -> None:
        super().__init__({}, finalize=_never)
        self.optimized = False
        self.filters = dict.fromkeys(self.filters, _never)
        self.tests = dict.fromkeys(self.tests, _never)


@pass_context
def _never(*_: Any) -> str:
    return ""


_SANDBOX = _ParsingSandbox()


def has_tags(template: str) -> bool:
    """Return whether the text is more than plain text."""
    return any(tag in template for tag in TAGS)


def parse(template: str) -> nodes.Template:
    """Return the template's tree. Raises what Jinja raises, and RecursionError where it is nested too deeply."""
    return _SANDBOX.parse(template)


def undeclared_names(tree: nodes.Template) -> set[str]:
    """Return the names that the template reads and does not define. Raises what Jinja raises when it compiles.

    `jinja2.meta.find_undeclared_variables` would work out constant expressions on the way.
    """
    generator = TrackingCodeGenerator(_SANDBOX)
    generator.optimizer = None
    generator.visit(tree)
    return generator.undeclared_identifiers - set(_SANDBOX.globals)


def tokens(template: str, most: int) -> int:
    """Return how much there is to compile: words and signs, counted up to `most` and one more."""
    if not has_tags(template) or len(template) > MAX_CHARACTERS:
        return 0
    found = 0
    with contextlib.suppress(jinja2.TemplateSyntaxError):
        for _ in islice(_SANDBOX.lex(template), most + 1):
            found += 1
    return found
