"""docs/design.md: the map of the shelves has each folder and each flat module of a room, and nothing else."""

import re
import tomllib

import pytest

from tests.docs.pages import DESIGN, ROOT, table

# `commands/` has a module for each command, and the page does not list them.
ROOMS = ("grammar", "activities", "runtime", "workflows", "console", "pictures")


def mapped(room: str) -> list[str]:
    """What the room's table names, from top to bottom."""
    return [name for row in table(f"in `{room}/`", DESIGN) for name in re.findall(r"`([^`]+)`", row[0])]


@pytest.mark.parametrize("room", ROOMS)
def test_the_map_has_each_shelf_and_each_flat_module_once(room: str) -> None:
    found = [path for path in (ROOT / room).iterdir() if path.name not in ("__init__.py", "__pycache__")]
    there = sorted(path.name + "/" if path.is_dir() else path.name for path in found)
    assert sorted(mapped(room)) == there


@pytest.mark.parametrize("room", ROOMS)
def test_each_has_a_sentence(room: str) -> None:
    assert [row[0] for row in table(f"in `{room}/`", DESIGN) if len(row[1]) < 15] == []


@pytest.mark.parametrize("room", ["grammar", "activities", "runtime", "workflows"])
def test_the_rows_are_in_the_order_that_import_linter_holds(room: str) -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    (layers,) = [contract["layers"] for contract in contracts if contract.get("containers") == [room]]
    held = [{name.strip() for name in layer.split("|")} for layer in layers]
    rows = [re.findall(r"`([^`]+)`", row[0]) for row in table(f"in `{room}/`", DESIGN)]
    assert [{name.removesuffix("/").removesuffix(".py") for name in row} for row in rows] == held
