"""The entries of a fan-out, and those of older versions (specification section 5)."""

import pytest
from pydantic import JsonValue

from grammar.messages.activity_requests import GatheredBranch
from grammar.messages.fan_out import entry, in_todays_meaning


def test_an_entry_has_the_index_and_the_item() -> None:
    branch = GatheredBranch(item=2, model="m")
    assert entry(branch, {"n": 1}, "r", 2) == {"model": "m", "item": 2, "value": {"n": 1}, "result": "r"}
    failed = branch.model_copy(update={"error": "no"})
    assert entry(failed, "x", None, 2) == {"model": "m", "item": 2, "value": "x", "result": None, "error": "no"}
    assert entry(failed, "x", None, 1) == {"model": "m", "item": "x", "result": None, "error": "no"}


def test_a_list_of_an_older_version_gets_the_index() -> None:
    old = [
        {"model": model, "item": item, "result": 7} | ({"error": "no"} if model == "b" else {})
        for item in ("x", None)
        for model in "ab"
    ]
    assert in_todays_meaning(old, 2) == [  # type: ignore[arg-type]
        {"model": "a", "item": 0, "value": "x", "result": 7},
        {"model": "b", "item": 0, "value": "x", "result": 7, "error": "no"},
        {"model": "a", "item": 1, "value": None, "result": 7},
        {"model": "b", "item": 1, "value": None, "result": 7, "error": "no"},
    ]


@pytest.mark.parametrize("value", [[1], "text", None, [{"model": "m", "item": 0, "value": 1, "result": 2}], [], {}])
def test_what_a_person_set_in_its_place_stays(value: JsonValue) -> None:
    assert in_todays_meaning(value, 1) == value
