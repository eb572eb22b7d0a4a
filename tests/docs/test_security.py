"""Each promise of docs/security.md names tests that are there."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs/security.md").read_text(encoding="utf-8")
SOURCES = {path.name: path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("test_*.py")}
DEFINED = {name for source in SOURCES.values() for name in re.findall(r"def (test_\w+)", source)}


@pytest.mark.parametrize("module", sorted(set(re.findall(r"\b(test_\w+\.py)\b", TEXT))))
def test_a_module_of_tests_is_there(module: str) -> None:
    assert module in SOURCES


@pytest.mark.parametrize("name", sorted(set(re.findall(r"\b(test_\w+)\b(?!\.py|\.\.\.|_)", TEXT)) - {"test_"}))
def test_a_test_is_there(name: str) -> None:
    """One whose name ends in `...` stands for all that begin so."""
    assert name in DEFINED or (f"{name}..." in TEXT and any(known.startswith(name) for known in DEFINED))


def test_each_promise_names_one() -> None:
    """By its name, or by its part of the module that the table is headed with."""
    tables = [table.splitlines() for table in TEXT.split("\n\n") if table.startswith("| promise | held by")]
    rows = [(head, row) for head, _, *rows in tables for row in rows]
    assert len(rows) > 60
    assert [row for head, row in rows if "test_" not in row and not ("test_" in head and '"' in row)] == []


def sections() -> list[tuple[str, str]]:
    """Each part of a module that a promise names, with the module: the last one before it, in the row or the head."""
    found = []
    for table in (table.splitlines() for table in TEXT.split("\n\n") if table.startswith("| promise | held by")):
        for row in table[2:]:
            words = re.findall(r'(test_\w+\.py)|"([^"]+)"', table[0] + row.rpartition(" | ")[2])
            for place, (_, section) in enumerate(words):
                module = next((module for module, _ in reversed(words[:place]) if module), None)
                found += [(module, section)] if module and section else []
    return found


def test_a_part_of_a_module_is_there() -> None:
    named = sections()
    assert len(named) > 10
    missing = [(module, section) for module, section in named if f"\n# {section}" not in SOURCES[module]]
    assert missing == []
