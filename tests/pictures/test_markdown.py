"""What models wrote in Markdown: laid out, and harmless whatever it is."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pictures.markdown import MAX_GROWTH, Typesetter, as_html
from tests.pictures.test_pages import MEAN_MARKDOWN, ParsedPage

TAGS = {
    "p", "em", "strong", "s", "code", "pre", "small", "h4", "h5", "h6", "ul", "ol", "li", "blockquote", "hr", "br", "a",
    "div", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
PARTS = [
    *"ab \n\t#*_~`>|-+=!<&;:/\\'\"().1", "[x](", "](", "![", "javascript:", "http://e/", "<img src=x>", "<a href=",
    "&#58;", "\ud800", "\x00", "    ",
]  # fmt: skip


def laid_out(text: str) -> str:
    html = as_html(text)
    assert html is not None
    return " ".join(str(html).split())


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("**bold** and *italic* `code`", "<p><strong>bold</strong> and <em>italic</em> <code>code</code></p>"),
        ("one\ntwo", "<p>one<br /> two</p>"),
        ("# Top\n\n#### Deep", "<h4>Top</h4> <h6>Deep</h6>"),
        ("- a\n- b", "<ul> <li>a</li> <li>b</li> </ul>"),
        ("```c\nx < 1\n```", "<small>c</small><pre><code>x &lt; 1 </code></pre>"),
        ("|a|b|\n|-|-:|\n|1|2|",
         '<div class="wide"><table> <thead> <tr> <th>a</th> <th>b</th> </tr> </thead> '
         "<tbody> <tr> <td>1</td> <td>2</td> </tr> </tbody> </table></div>"),
        ("![a plot](https://x.y/z.png)", "<p><code>image: a plot (https://x.y/z.png)</code></p>"),
        ("[x]() [y](#b1-1)", "<p><a>x</a> [y](#b1-1)</p>"),
        ("[hidden]: https://x.y", "<p>[hidden]: https://x.y</p>"),
        ("<b>&amp;", "<p>&lt;b&gt;&amp;</p>"),
    ],
)  # fmt: skip
def test_how_it_is_laid_out(text: str, html: str) -> None:
    assert laid_out(text) == html


@pytest.mark.parametrize(
    "text", ['{"a": 1}', " [1,\n 2]", "[" * 400, "|a" * 500 + "\n" + "|-" * 500 + "\n" + "|\n" * 1000]
)
def test_what_is_better_shown_as_it_is(text: str) -> None:
    """JSON, and what would take long, or much room."""
    html = as_html(text)
    assert html is None or "<table>" not in html


def test_a_page_has_an_end() -> None:
    typesetter = Typesetter(room=100)
    assert typesetter.html("*a*") is not None
    assert typesetter.html("b" * 200) is None
    assert typesetter.html("*c*" * 20) is not None
    assert typesetter.html("*d*") is None


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(PARTS), max_size=60).map("".join) | st.just(MEAN_MARKDOWN))
def test_nothing_in_it_can_do_harm(text: str) -> None:
    html = as_html(text)
    if html is None:
        return
    assert len(html) <= MAX_GROWTH * (6 * len(text) + 200)
    page = ParsedPage(html)
    assert {tag for tag, _ in page.tags} <= TAGS
    for tag, attributes in page.tags:
        assert set(attributes) <= ({"href", "title", "rel", "target", "class"} if tag == "a" else {"start", "class"})
        if attributes.get("href") is not None:
            assert re.match("https?:|mailto:", attributes["href"] or "", re.IGNORECASE)
