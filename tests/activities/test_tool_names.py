"""Names of tools of several toolboxes (specification section 6)."""

import re

from hypothesis import given
from hypothesis import strategies as st

from activities.toolboxes.tool_names import offered_names


def test_names_that_differ_are_left_alone() -> None:
    assert offered_names({"a.one": ["read", "2nd.tool"], "a.two": ["write"]}) == {
        "a.one": {"read": "read", "2nd.tool": "2nd.tool"},
        "a.two": {"write": "write"},
    }


def test_both_get_a_prefix() -> None:
    assert offered_names({"a.one": ["read", "only"], "./two.yaml": ["read"]}) == {
        "a.one": {"one_read": "read", "only": "only"},
        "./two.yaml": {"two_read": "read"},
    }


def test_a_prefix_starts_with_a_letter() -> None:
    assert list(offered_names({"2fa": ["x"], "_b": ["x"], "ü": ["x"]}).values()) == [
        {"t_2fa_x": "x"},
        {"t__b_x": "x"},
        {"t___x": "x"},
    ]


def test_toolboxes_of_the_same_short_name() -> None:
    assert list(offered_names({"a.box": ["x"], "b.box": ["x"]}).values()) == [{"box_x": "x"}, {"box_x_2": "x"}]


def test_a_prefixed_name_that_is_there_already() -> None:
    assert offered_names({"a": ["x"], "b": ["x"], "c": ["a_x"]})["a"] == {"a_x_2": "x"}


def test_a_long_prefix_is_cut_before_the_name() -> None:
    names = offered_names({"a." + "p" * 60: ["n" * 20], "b": ["n" * 20], "c": ["m" * 80], "d": ["m" * 80]})
    assert list(names["a." + "p" * 60]) == ["p" * 43 + "_" + "n" * 20]
    assert list(names["c"]) == ["c_" + "m" * 62]


_LETTERS = st.text("ab_1é", min_size=1, max_size=70)


@given(st.dictionaries(_LETTERS, st.lists(_LETTERS, unique=True, max_size=5), max_size=4))
def test_always_unique_and_complete(toolboxes: dict[str, list[str]]) -> None:
    found = offered_names(toolboxes)
    seen = [name for names in found.values() for name in names]
    assert len(seen) == len(set(seen))
    assert {reference: list(names.values()) for reference, names in found.items()} == toolboxes
    for names in found.values():
        for name, own in names.items():
            assert name == own or re.fullmatch(r"[A-Za-z].{0,63}", name)
