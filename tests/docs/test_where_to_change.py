"""docs/where-to-change.md: the files are there, and define the names that stand beside them."""

import re

import pytest

from tests.docs.definitions import missing
from tests.docs.pages import ROOT, table

PAGE = ROOT / "docs/where-to-change.md"
QUESTIONS = {
    "A new field of a document",
    "A new model setting",
    "A message that a person reads",
    "A new command",
    "A new signal",
    "A retry rule",
}


def places(text: str) -> list[str]:
    """Each path of the text with the names that follow it after a colon."""
    return re.findall(r"`(?:\w+/[\w./-]*|\w+\.py)`(?:: `[\w.]+`(?:, `[\w.]+`)*)?", text)


def test_each_question_is_answered() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert set(re.findall(r"^## (.*)$", text, re.MULTILINE)) >= QUESTIONS
    assert len(re.findall(r"^\| where \|", text, re.MULTILINE)) == len(re.findall(r"^## ", text, re.MULTILINE))


def test_each_answer_names_a_file() -> None:
    assert [row for row in table("where", PAGE) if not places(row[0])] == []


@pytest.mark.parametrize("place", sorted(set(places(PAGE.read_text(encoding="utf-8")))))
def test_the_names_of_an_answer_are_where_it_says(place: str) -> None:
    assert missing(place) == [], f"docs/where-to-change.md names {place}"
