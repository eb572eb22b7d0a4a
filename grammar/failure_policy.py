"""What follows from a failure, by its type: the class name of an error, as Temporal's history has it.

The rules are specification section 7; each class in `grammar/errors.py` says its own.
"""

from collections.abc import Iterator

from grammar.errors import BUG, TIMEOUT, FlowError, TaskError


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


def _kind(name: str) -> type[TaskError]:
    return next((kind for kind in _tree(TaskError) if kind.__name__ == name), TaskError)
