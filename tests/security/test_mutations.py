"""The tables of mutations fit the code: each defence stands where `make mutations` takes it out, to see tests red."""

import ast
import re
from pathlib import Path

import pytest

from tests.security.attacks import ATTACKS
from tests.security.mutations.table import ROOT, Mutation, tables

TABLES = tables()
# What they hold is not of this code: the tables themselves.
WITHOUT = {"test_mutations.py"}


def test_each_module_has_a_table_and_each_table_a_module() -> None:
    modules = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    assert set(TABLES) == modules - WITHOUT


def test_there_are_enough() -> None:
    attacks = [row.attack for rows in TABLES.values() for row in rows]
    assert len(attacks) >= 60


@pytest.mark.parametrize("module", TABLES)
def test_each_defence_stands_where_the_table_says(module: str) -> None:
    source = (ROOT / "tests/security" / module).read_text(encoding="utf-8")
    defined = set(re.findall(r"def (test_\w+)", source))
    for row in TABLES[module]:
        for edit in row.edits:
            text = (ROOT / edit.file).read_text(encoding="utf-8")
            changed = edit.applied_to(text)
            assert changed != text
            ast.parse(changed)
        assert {name.partition("[")[0] for name in row.red} <= defined, row.attack


def test_each_attack_of_hostile_code_has_a_row() -> None:
    """Each is a case of one test, so that a row for that test alone would not show it."""
    red = {name for row in TABLES["test_sandbox.py"] for name in row.red}
    assert {f"test_an_attack_fails_in_a_sandbox[{name}]" for name in ATTACKS} <= red


def test_a_defence_that_is_elsewhere_by_now_would_be_found() -> None:
    row = Mutation(attack="x", file="a.py", old="if refused:", new="if False:", red=("test_x",))
    for text in ("", "if refused: if refused:"):
        with pytest.raises(ValueError, match=r"a\.py has this \d times: if refused:"):
            row.applied_to(text)
