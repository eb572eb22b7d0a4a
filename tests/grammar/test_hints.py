"""Every failure that a person may see has something to try."""

import pytest

from grammar import errors
from grammar.errors import BUG, TIMEOUT, TaskError, is_retried
from grammar.loading.hints import hint

KINDS = [kind.__name__ for kind in errors._tree(TaskError) if kind is not TaskError]


@pytest.mark.parametrize("kind", [*KINDS, TIMEOUT, BUG])
def test_there_is_one(kind: str) -> None:
    assert hint(kind)


def test_there_is_none_for_what_nobody_knows() -> None:
    assert hint("Strange") == ""


def test_what_is_retried() -> None:
    kinds = (*KINDS, TIMEOUT, BUG)
    retried = {"ModelUnavailable", "RateLimited", "ToolboxFailed", "StorageFailed", "ShellFailed", "Timeout"}
    assert {kind for kind in kinds if is_retried(kind)} == retried
