"""What templates read of the outputs, and what is written down of what `env()` gave them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from grammar.templating.outputs_read import outputs_read
from grammar.templating.redaction import hide, reveal

NAMES = ["big", "small", "other"]
TEXT = st.text(alphabet='ab⟦⟧:|kenv"\n\\é', max_size=20)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("no template", []),
        ("big words, but no template", []),
        ("{{ outputs.big }}", ["big"]),
        ("{{ outputs . big | length }} and {{ outputs['small'][0] }}", ["big", "small"]),
        ("{% set o = outputs %}{{ o.big }}", NAMES),
        ("{{ outputs[globals.which] }}", NAMES),
        ("{{ outputs | tojson }}", NAMES),
        ("{% for name in outputs.keys() %}{% endfor %}", NAMES),
        ("{{ outputs.get('big') }}", NAMES),
        ("outputs", NAMES),
    ],
)
def test_what_is_read_is_brought(text: str, read: list[str]) -> None:
    assert outputs_read([text, ""], NAMES) == read


def test_a_prompt_that_is_included_counts() -> None:
    assert outputs_read(["{% include 'a.b' %}", "{{ outputs.other }}"], NAMES) == ["other"]


@given(st.recursive(TEXT, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3)), TEXT)
def test_what_is_hidden_comes_back(value: JsonValue, secret: str) -> None:
    secrets = {"A": "abab" + secret, "B": "ab" + secret + "cdef"}
    hidden = hide(value, secrets, "1x2y")
    assert reveal(hidden, secrets, secrets, "1x2y") == value


def test_hidden_in_json_too() -> None:
    secrets = {"A": 'line "one"\nline two'}
    text = '{"x": "line \\"one\\"\\nline two"}'
    hidden = hide(text, secrets, "k")
    assert hidden == '{"x": "⟦env:A|json:k⟧"}'
    assert reveal(hidden, secrets, secrets, "k") == text
