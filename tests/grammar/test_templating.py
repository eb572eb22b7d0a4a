"""What templates read of the outputs, and what is written down of what `env()` gave them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import JsonValue

from grammar.errors import TemplateFailed
from grammar.templating.outputs_read import outputs_read
from grammar.templating.redaction import hide, reveal
from grammar.templating.templates import Environ, Templates

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


def templates() -> Templates:
    values = {"list": ["a", "b", "c"], "map": {"k": 1, "m": 2}}
    return Templates({"globals": values, "outputs": {}}, Environ({}), {}, "k")


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("globals.list | map('upper')", ["A", "B", "C"]),
        ("globals.list | select('eq', 'a')", ["a"]),
        ("globals.list | reject('eq', 'a')", ["b", "c"]),
        ("[globals.map] | selectattr('k') | map(attribute='m')", [2]),
        ("[globals.map] | rejectattr('k')", []),
        ("globals.list | unique", ["a", "b", "c"]),
        ("globals.list | reverse", ["c", "b", "a"]),
        ("globals.list | batch(2)", [["a", "b"], ["c"]]),
        ("globals.list | slice(2)", [["a", "b"], ["c"]]),
        ("globals.map.keys()", ["k", "m"]),
        ("globals.map.values()", [1, 2]),
        ("range(3)", [0, 1, 2]),
        ("[range(2), globals.list | map('upper')]", [[0, 1], ["A", "B", "C"]]),
    ],
)
def test_what_is_lazy_is_a_list(expression: str, value: JsonValue) -> None:
    assert templates().evaluate(expression) == value
    assert templates().render(f"{{{{ {expression} }}}}") == templates().record(f"{{{{ {expression} }}}}") == str(value)


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("{{ 'of ' ~ globals.list | map('upper') }}", "of ['A', 'B', 'C']"),
        ("{{ globals.list | map('upper') | string | length }}", "15"),
        ("{{ (globals.list | map('upper'))[1] }}", "B"),
        ("{{ globals.list | map('upper') | tojson }}", '["A", "B", "C"]'),
        ("{{ globals.map | items }}{{ globals.map.items() }}", "[('k', 1), ('m', 2)]" * 2),
        ("{{ 'abc' | reverse }}", "cba"),
        ("{{ [globals.map] | groupby('k') }}", "[(1, [{'k': 1, 'm': 2}])]"),
    ],
)
def test_what_is_made_of_it(template: str, text: str) -> None:
    assert templates().render(template) == text


@pytest.mark.parametrize(
    ("template", "says"),
    [
        ("{{ env }}", "a function stands where a value is to be put in: call it, as in env('NAME')"),
        ("{{ [env] }}", "a function stands"),
        ("{{ range }}", "a function stands"),
        ("{% for x in [1] %}{{ loop }}{% endfor %}", "a function stands"),
        ("{{ [globals.map] | map(attribute='q') }}", "undefined name: 'dict object' has no attribute 'q'"),
        ("{{ {'x': globals.q} }}", "undefined name: 'dict object' has no attribute 'q'"),
    ],
)
def test_what_has_no_text_is_an_error(template: str, says: str) -> None:
    with pytest.raises(TemplateFailed) as caught:
        templates().render(template)
    assert str(caught.value).startswith(says)


def test_hidden_in_json_too() -> None:
    secrets = {"A": 'line "one"\nline two'}
    text = '{"x": "line \\"one\\"\\nline two"}'
    hidden = hide(text, secrets, "k")
    assert hidden == '{"x": "⟦env:A|json:k⟧"}'
    assert reveal(hidden, secrets, secrets, "k") == text
