"""Fields that are read and checked, but not carried out yet. A run that uses one is refused, never half done."""

from collections.abc import Callable, Iterator

from grammar.models import ServerParams, Task, Toolbox

_TASK: dict[str, Callable[[Task], bool]] = {
    "uses": lambda task: task.uses is not None,
    "outputs": lambda task: task.outputs is not None,
    "models": lambda task: len(task.models) > 1,
    "completion": lambda task: task.completion != "all",
    "on_failure": lambda task: task.on_failure == "park" and "on_failure" in task.model_fields_set,
}

_SERVER: dict[str, Callable[[ServerParams], bool]] = {
    "kind": lambda server: server.kind != "stdio",
    "reconnecting": lambda server: server.reconnecting,
}


def pending_fields(task: Task) -> Iterator[tuple[str, str]]:
    """(field, why it is refused) for each field of the task that this version does not carry out."""
    for field, used in _TASK.items():
        if used(task):
            yield field, f"`{field}` is not supported yet by this version; take it out to run the flow"


def pending_in_toolbox(toolbox: Toolbox) -> Iterator[tuple[tuple[str, ...], str]]:
    """The same for a toolbox."""
    for field, used in _SERVER.items():
        if used(toolbox.server_params):
            value = getattr(toolbox.server_params, field)
            yield ("server_params", field), f"`{field}: {value}` is not supported yet by this version"


def pending_confirmation(task: Task, toolbox: Toolbox) -> list[str]:
    """Tools that would have to wait for a person's yes, which this version cannot ask for."""
    if task.headless:
        return []
    return [tool for tool in toolbox.confirm if tool not in task.blocked_tools]
