"""Files and names that pages name together, and what is defined in the files."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.docs.pages import ROOT


@cache
def defined_in(path: Path) -> frozenset[str]:
    """The names that a module defines: functions, classes, constants, and `Class.member` of each class."""
    return frozenset(_names(ast.parse(path.read_text(encoding="utf-8"))))


def _names(scope: ast.Module | ast.ClassDef) -> Iterator[str]:
    for node in scope.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            yield node.name
        if isinstance(node, ast.ClassDef):
            yield from (f"{node.name}.{name}" for name in _names(node))
        if isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            yield from (target.id for target in targets if isinstance(target, ast.Name))


def missing(cell: str) -> list[str]:
    """What a cell names that is not there: paths, each followed by names that its file defines."""
    found: list[str] = []
    path: Path | None = None
    for span in re.findall(r"`([^`]+)`", cell):
        if "/" in span or span.endswith((".py", ".md", ".toml")):
            path = ROOT / span
            found += [] if path.exists() else [f"{span}: no such file or folder"]
        elif path is None:
            found.append(f"{span}: no file is named before it")
        elif path.suffix == ".py" and path.exists() and span not in defined_in(path):
            found.append(f"{path.relative_to(ROOT).as_posix()} does not define {span}")
    return found
