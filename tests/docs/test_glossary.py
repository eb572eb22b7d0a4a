"""docs/glossary.md: each word is where the page says that it is in the code, and stands there once."""

from collections import Counter

import pytest

from tests.docs.definitions import missing
from tests.docs.pages import ROOT, table

PAGE = ROOT / "docs/glossary.md"
ROWS = table("word", PAGE)


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row[0])
def test_a_word_is_where_the_page_says(row: list[str]) -> None:
    _, meaning, code, _ = row
    assert meaning
    assert "`" in code
    assert missing(code) == []


def test_no_word_has_two_meanings() -> None:
    words = Counter(word for row in ROWS for word in row[0].split(", "))
    assert [word for word, times in words.items() if times > 1] == []


@pytest.mark.parametrize(
    "cell", ["`grammar/gone.py`", "`grammar/errors.py`: `Gone`", "`grammar/errors.py`: `TaskError.gone`", "`Task`"]
)
def test_a_name_that_is_not_there_would_be_found(cell: str) -> None:
    assert len(missing(cell)) == 1
