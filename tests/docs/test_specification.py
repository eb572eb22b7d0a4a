"""docs/specification.md: what refers to one of its sections finds it, and nothing refers to another specification."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

PAGE = ROOT / "docs/specification.md"
COVERAGE = ROOT / "docs/coverage.md"
# `specification section 7`, `specification sections 3, 5 and 6`, `specification sections 5 to 7`, over line breaks too.
# Within a module that says whose sections they are, `(section 6)` is enough.
REFERENCE = re.compile(r"\b[Ss]ections?[\s#]+(\d+(?:(?:,|,?[\s#]+and|[\s#]+to)[\s#]+\d+)*)\b")
FORMER = "GRAMMAR" + ".md"


@cache
def files() -> tuple[Path, ...]:
    """Code, pages and tests."""
    listing = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "*.py", "*.md", "*.yaml", "*.toml"]
    paths = subprocess.run(listing, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    return tuple(ROOT / path for path in paths if (ROOT / path).exists())


def headings(page: Path) -> dict[int, str]:
    """The numbered headings of a page, by number."""
    found = re.findall(r"^## (\d+)\. (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {int(number): title for number, title in found}


def sections(reference: str) -> list[int]:
    """The numbers that a reference names; of `5 to 7`, those between them too."""
    named = [int(number) for number in re.findall(r"\d+", reference)]
    return list(range(named[0], named[-1] + 1)) if re.search(r"\bto\b", reference) else named


def references() -> Iterator[tuple[str, list[int]]]:
    """(file and line, sections) of each reference."""
    for path in files():
        text = path.read_text(encoding="utf-8")
        for found in REFERENCE.finditer(text):
            line = text.count("\n", 0, found.start()) + 1
            yield f"{path.relative_to(ROOT).as_posix()}:{line}: {found[0]!r}", sections(found[1])


def test_its_sections_are_numbered_without_a_gap() -> None:
    assert list(headings(PAGE)) == list(range(1, len(headings(PAGE)) + 1))


def test_every_reference_leads_to_a_section() -> None:
    found = list(references())
    assert len(found) > 70, "the references are written in another way than this test looks for"
    known = headings(PAGE)
    assert [f"{place}: there is no section {gone}" for place, named in found for gone in {*named} - {*known}] == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("specification section 7", [7]),
        ("(specification sections 3 and 5)", [3, 5]),
        ("specification sections 1, 3 and 8", [1, 3, 8]),
        ("specification sections 5 to 7", [5, 6, 7]),
        ("# specification\n    # section 9.", [9]),
        ("specification sections 4\n    and 5", [4, 5]),
    ],
)
def test_how_references_are_written(text: str, named: list[int]) -> None:
    (found,) = REFERENCE.findall(text)
    assert sections(found) == named


def test_the_table_of_tests_has_the_same_sections() -> None:
    assert headings(COVERAGE) == headings(PAGE)


def test_nothing_refers_to_the_former_grammar() -> None:
    assert [path for path in files() if FORMER in path.read_text(encoding="utf-8")] == []
