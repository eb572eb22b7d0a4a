"""docs/coverage.md: every test that it names exists, every rule has one, and no field is left out."""

import ast
import re
from functools import cache
from pathlib import Path

import pytest

from grammar.documents.document import Document
from tests.docs.pages import ROOT, table
from tests.docs.test_grammar_page import TABLES

PAGE = ROOT / "docs/coverage.md"
TEST = re.compile(r"`(tests/[\w/]+\.py)::(test_\w+)`")


def rows() -> list[list[str]]:
    """The cells of every row of every table."""
    found = [row for heading in (*TABLES, "rule") for row in table(heading, PAGE)]
    lines = re.findall(r"^\| (?!rule |field of ).*$", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(found) == len(lines), "a table has a heading that is not looked at"
    return found


@cache
def defined_in(path: Path) -> frozenset[str]:
    """The names of the tests of a file."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef))


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:60])
def test_the_tests_of_a_rule_exist(row: list[str]) -> None:
    named = TEST.findall(row[-1])
    assert named
    assert TEST.sub("", row[-1]).strip(", ") == "", "the last column holds tests and nothing else"
    assert [f"{file}::{name}" for file, name in named if name not in defined_in(ROOT / file)] == []


@pytest.mark.parametrize(("heading", "model"), TABLES.items())
def test_every_field_is_covered(heading: str, model: type[Document]) -> None:
    covered = {name for row in table(heading, PAGE) for name in re.findall(r"`(\w+)`", row[0])}
    assert covered == model.known_fields()


def test_every_section_of_the_grammar_has_its_table() -> None:
    sections = re.findall(r"^## (\d+)\. ", PAGE.read_text(encoding="utf-8"), re.MULTILINE)
    assert sections == [str(number) for number in range(1, 12)]
