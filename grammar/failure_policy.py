"""What follows from a failure, by its type: the class name of an error, as Temporal's history has it.

The rules are specification section 7; each class in `grammar/errors.py` says its own.
"""

from collections.abc import Iterator

from grammar.errors import BUG, TIMEOUT, FlowError, TaskError

FIRST_COOLDOWN, LONGEST_COOLDOWN = 300.0, 3600.0
"""Seconds."""


def _tree(root: type[TaskError]) -> Iterator[type[TaskError]]:
    yield root
    for child in root.__subclasses__():
        yield from _tree(child)


def ends_run(name: str) -> bool:
    """Return whether a failure of that type (the class name, as Temporal's history has it) ends the whole run."""
    return name == BUG or _kind(name).ends_run


def is_mendable(name: str) -> bool:
    """Return whether a person can mend a failure of that type while the run waits: the file cannot change."""
    return name != BUG and not issubclass(_kind(name), FlowError)


def is_retried(name: str) -> bool:
    """Return whether a failure of that type is tried again by itself, as long as the task's `retry` allows it."""
    return name == TIMEOUT or _kind(name).retryable


def is_spent(name: str) -> bool:
    """Return whether an agent that failed by that type has to start anew, not from its journal."""
    return _kind(name).spent


def falls_back(name: str) -> bool:
    """Return whether a branch that failed by that type goes on with its model's `fallback`, where it has one."""
    return _kind(name).falls_back


def cooldown(times: int, asked: float | None = None) -> float:
    """Return the seconds for which a run asks a model no more whose endpoint failed: 5, 10, 20, 40 minutes, an hour.

    `times`: how often it failed, from 1, with no answer in between. `asked`: the seconds that the endpoint asks to wait
    for, which count where they are more; None: it asks for none.
    """
    return max(min(FIRST_COOLDOWN * 2.0 ** min(times - 1, 10), LONGEST_COOLDOWN), asked or 0.0)


def _kind(name: str) -> type[TaskError]:
    return next((kind for kind in _tree(TaskError) if kind.__name__ == name), TaskError)
