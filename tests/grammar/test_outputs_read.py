"""Which large outputs are brought for a task's templates."""

import pytest

from grammar.templating.outputs_read import outputs_read

NAMES = ["big", "small", "other"]


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
