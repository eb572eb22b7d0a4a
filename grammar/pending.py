"""Fields that are read and checked, but not carried out yet. A run that uses one is refused, never half done."""

from collections.abc import Callable, Iterator

from grammar.models import Task

_TASK: dict[str, Callable[[Task], bool]] = {
    "on_failure": lambda task: task.on_failure == "park" and "on_failure" in task.model_fields_set,
}


def pending_fields(task: Task) -> Iterator[tuple[str, str]]:
    """(field, why it is refused) for each field of the task that this version does not carry out."""
    for field, used in _TASK.items():
        if used(task):
            yield field, f"`{field}` is not supported yet by this version; take it out to run the flow"
