"""Names of tools of several toolboxes (specification section 6)."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from activities.toolboxes.tool_names import handoff_names, is_named, offered_names, told_names
from grammar.documents.references import distinct_names


def test_names_that_differ_are_left_alone() -> None:
    assert offered_names({"a.one": ["read", "2nd-tool"], "a.two": ["write"]}) == {
        "a.one": {"read": "read", "2nd-tool": "2nd-tool"},
        "a.two": {"write": "write"},
    }


def test_what_model_apis_do_not_take_is_replaced() -> None:
    names = offered_names({"a": ["notes.weigh", "notes/weigh", "n" * 70], "b": ["notes_weigh", "n" * 71]})
    assert names == {
        "a": {"notes_weigh_2": "notes.weigh", "notes_weigh_3": "notes/weigh", "n" * 64: "n" * 70},
        "b": {"notes_weigh": "notes_weigh", "n" * 62 + "_2": "n" * 71},
    }
    assert told_names(names)["notes_weigh_3"] == "notes/weigh"


def test_a_name_that_is_taken() -> None:
    assert offered_names({"a": ["transfer_to_b"]}, ["transfer_to_b"]) == {"a": {"transfer_to_b_2": "transfer_to_b"}}


def test_names_that_were_given_stay() -> None:
    first = offered_names({"a": ["x", "p.q"], "b": ["y"]})
    later = offered_names({"a": ["p!q", "p.q"], "b": ["p_q", "x"]}, (), first)
    assert later["a"] == {"x": "x", "p_q": "p.q", "p_q_2": "p!q"}
    assert later["b"] == {"y": "y", "p_q_3": "p_q", "b_x": "x"}


@pytest.mark.parametrize("name", ["notes.weigh", "notes_weigh", "box_notes_weigh"])
def test_what_people_may_call_a_tool(name: str) -> None:
    assert is_named("notes.weigh", "a.box", ["other", name])
    assert not is_named("notes.weigh", "a.box", [f"{name}_2", "weigh", "a.box"])


def test_results_have_the_prefix_of_a_name_that_two_have() -> None:
    assert told_names(offered_names({"a": ["x.y"], "b": ["x.y", "z.z"]})) == {
        "a_x_y": "a_x_y",
        "b_x_y": "b_x_y",
        "z_z": "z.z",
    }


def test_handoffs_have_names_that_model_apis_take() -> None:
    assert handoff_names(["Style", "审查", "审核", "a/b-c", "x" * 80]) == [
        "transfer_to_style",
        "transfer_to___",
        "transfer_to____2",
        "transfer_to_a_b_c",
        "transfer_to_" + "x" * 52,
    ]


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


def test_agents_of_one_short_name() -> None:
    references = ["./router.yaml", "./a/reviewer.yaml", "x.b.reviewer", "x.b.last"]
    assert distinct_names(references) == ["router", "a/reviewer", "b/reviewer", "last"]


_LETTERS = st.text("ab_1é", min_size=1, max_size=70)


@given(st.dictionaries(_LETTERS, st.lists(_LETTERS, unique=True, max_size=5), max_size=4))
def test_always_unique_and_complete(toolboxes: dict[str, list[str]]) -> None:
    found = offered_names(toolboxes)
    seen = [name for names in found.values() for name in names]
    assert len(seen) == len(set(seen))
    assert {reference: list(names.values()) for reference, names in found.items()} == toolboxes
    for names in found.values():
        for name, own in names.items():
            assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", name), own
