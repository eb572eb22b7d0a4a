"""The error tree, and its hints: every failure that a person may see has something to try."""

import inspect
import re

import pytest

from grammar import errors, failure_policy
from grammar.errors import BUG, TIMEOUT, TaskError
from grammar.failure_policy import is_retried
from grammar.loading.hints import hint

KINDS = [kind.__name__ for kind in failure_policy._tree(TaskError) if kind is not TaskError]


@pytest.mark.parametrize("kind", [*KINDS, TIMEOUT, BUG])
def test_there_is_one(kind: str) -> None:
    assert hint(kind)


def test_there_is_none_for_what_nobody_knows() -> None:
    assert hint("Strange") == ""


def test_what_is_retried() -> None:
    kinds = (*KINDS, TIMEOUT, BUG)
    retried = {"ModelUnavailable", "RateLimited", "ToolboxFailed", "StorageFailed", "ShellFailed", "Timeout"}
    assert {kind for kind in kinds if is_retried(kind)} == retried


def test_the_error_tree_is_drawn_as_it_is() -> None:
    drawn = re.findall(r"^([│├└─ ]*)([A-Z]\w+)", (errors.__doc__ or "").split("\n\n")[1], re.MULTILINE)
    path: list[str] = []
    pairs = set()
    for branch, name in drawn:
        depth = len(branch) // 4
        path[depth:] = [name]
        pairs.add((name, path[depth - 1] if depth else "Exception"))
    classes = [c for _, c in inspect.getmembers(errors, inspect.isclass) if issubclass(c, errors.TaskflowError)]
    assert pairs == {(c.__name__, c.__bases__[0].__name__) for c in classes}
