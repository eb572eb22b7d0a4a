"""Texts of models as HTML: what they wrote in Markdown, laid out. Nothing in it is loaded or runs."""

import re
from collections.abc import Sequence
from functools import cache
from html import escape
from json import loads
from typing import Any

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML
from markdown_it.token import Token
from markdown_it.utils import EnvType, OptionsDict
from markupsafe import Markup

# What links may lead to, and what they tell of the page that they are in: nothing.
_LINKED = re.compile(r"(?:https?|mailto):", re.IGNORECASE)
_UNTOLD = {"rel": "noopener noreferrer nofollow", "target": "_blank"}
# What makes a text dear to lay out, or its HTML large; no text that is meant to be read has so much of it.
MAX_BRACKETS = 300
MAX_GROWTH = 5
# Of all texts of a page, in characters of HTML: there is no end to what a long run says.
MAX_LAID_OUT = 2_500_000
# The headings of a text stand below those of the page.
HEADINGS_BELOW = 3


class Typesetter:
    """Lays out the texts of one page, as long as there is room for them."""

    def __init__(self, room: int = MAX_LAID_OUT) -> None:
        self._room = room

    def html(self, text: str) -> Markup | None:
        """Return the text as HTML; None where it is better shown as it is, or there is no room left."""
        html = as_html(text) if len(text) < self._room else None
        self._room -= len(html or "")
        return html


def as_html(text: str) -> Markup | None:
    """Return the text as HTML; None where it is better shown as it is: JSON, and what would become too large."""
    if _is_json(text) or text.count("[") > MAX_BRACKETS:
        return None
    html = _markdown(has_tables=_has_room_for_tables(text)).render(text)
    fits = len(html) <= MAX_GROWTH * (len(escape(text)) + 200)
    return Markup(html) if fits else None  # noqa: S704 (all that a text says is escaped in it)


@cache
def _markdown(has_tables: bool) -> MarkdownIt:
    """Return a parser without HTML, images and what is not shown: the definitions of references."""
    parser = MarkdownIt("commonmark", {"html": False, "breaks": True, "maxNesting": 20}, renderer_cls=_Renderer)
    parser.enable(["strikethrough", *(["table"] if has_tables else [])]).disable("reference")
    parser.validateLink = _is_link  # type: ignore[method-assign, assignment]
    return parser


class _Renderer(RendererHTML):
    """Lays out what could do harm, or would be hidden, as text."""

    def image(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Name an image, and where it is, instead of loading it."""
        said = self.renderInlineAsText(tokens[index].children or [], options, env)
        return f"<code>image: {escape(said)} ({escape(str(tokens[index].attrs['src']))})</code>"

    def link_open(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Open a link, if it has an address; the style sheet writes that behind it, unless it is the text."""
        token = tokens[index]
        if not _is_link(str(token.attrs["href"])):
            return "<a>"
        token.attrs = {**token.attrs, **_UNTOLD} | ({"class": "auto"} if token.info == "auto" else {})
        return self.renderToken(tokens, index, options, env)

    def fence(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Show what stands behind the fence, too."""
        token = tokens[index]
        told = f"<small>{escape(token.info.strip())}</small>" if token.info.strip() else ""
        return f"{told}<pre><code>{escape(token.content)}</code></pre>\n"

    def heading_open(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Open a heading, below those of the page."""
        return f"<{_heading(tokens[index])}>"

    def heading_close(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Close it."""
        return f"</{_heading(tokens[index])}>\n"

    def table_open(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Open a table: one that is wide is moved sideways."""
        return '<div class="wide"><table>\n'

    def table_close(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Close it."""
        return "</table></div>\n"

    def td_open(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Open a cell, without a style: the page's policy refuses those."""
        return "<td>"

    def th_open(self, tokens: Sequence[Token], index: int, options: OptionsDict, env: EnvType) -> str:
        """Open a cell of the first row."""
        return "<th>"


def _heading(token: Token) -> str:
    return f"h{min(6, int(token.tag[1:]) + HEADINGS_BELOW)}"


def _is_link(address: str) -> bool:
    return bool(_LINKED.match(address))


def _is_json(text: str) -> bool:
    """Return whether the text is a list or an object in JSON: laid out as Markdown, it would lose its lines."""
    if text.lstrip()[:1] not in ("{", "["):
        return False
    try:
        value: Any = loads(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(value, dict | list)


def _has_room_for_tables(text: str) -> bool:
    """A table is filled up with empty cells: as many as the first row has, in each of its rows."""
    lines = text.splitlines()
    return len(lines) * max((line.count("|") for line in lines), default=0) <= len(text)
