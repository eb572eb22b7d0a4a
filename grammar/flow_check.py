"""What must hold between the parts of a flow, known before it runs."""

from collections.abc import Mapping
from dataclasses import dataclass

from pydantic import JsonValue

from grammar import pending, template_check
from grammar.library import Library, Where
from grammar.models import Task, Taskflow
from grammar.source import Source


@dataclass(frozen=True)
class Place:
    """One task's place in its file."""

    source: Source
    index: int

    def where(self, *steps: str | int) -> Where:
        """The path to a field of the task; to the task itself where `defaults` gave the field."""
        return ("taskflow", self.index, "task", *steps)


def check(source: Source, flow: Taskflow, globals_: Mapping[str, JsonValue], library: Library) -> None:
    """Note every problem of the flow in the library."""
    ids: dict[str, int] = {}
    for index, task in enumerate(flow.taskflow):
        place = Place(source, index)
        _check_shape(place, task, library)
        _check_names(place, task, {"globals": set(globals_), "inputs": set(task.inputs), "outputs": set(ids)}, library)
        check_tools(task, source, place.where("toolboxes"), library)
        if task.id in ids:
            library.problems.append(source.problem(place.where("id"), f"{task.id!r} is used by an earlier task too"))
        if task.id:
            ids[task.id] = index


def _check_shape(place: Place, task: Task, library: Library) -> None:
    def problem(field: str, message: str) -> None:
        library.problems.append(place.source.problem(place.where(field), message))

    if task.run is not None and task.user_prompt is not None:
        problem("run", "a task has `run` or `user_prompt`, not both")
    if task.run is None and task.user_prompt is None and task.uses is None:
        problem("user_prompt", "a task needs a `user_prompt` or a `run`")
    if task.model and task.models:
        problem("models", "a task has `model` or `models`, not both")
    if task.user_prompt is not None and not task.agents and task.uses is None:
        problem("agents", "no agent: name at least one personality under `agents`")
    for field, message in pending.pending_fields(task):
        problem(field, message)


def _check_names(place: Place, task: Task, known: dict[str, set[str]], library: Library) -> None:
    if task.user_prompt is not None and template_check.syntax(task.user_prompt) is None:
        for complaint in template_check.undefined(task.user_prompt, known):
            library.complain(place.source, place.where("user_prompt"), complaint)
    for name, value in task.env.items():
        wrong = template_check.syntax(value)
        faults = [wrong] if wrong else template_check.undefined(value, {"globals": known["globals"]})
        for fault in faults:
            library.complain(place.source, place.where("env", name), fault)
    for field, expression in (("if", task.if_), ("over", task.over)):
        if expression is not None and (malformed := template_check.syntax("{{ (" + expression + ") }}")):
            library.complain(place.source, place.where(field), malformed)


def check_tools(task: Task, source: Source, where: Where, library: Library) -> None:
    """Note toolboxes that this version cannot serve as the file asks."""
    names = task.toolboxes
    if names is None:
        names = tuple(t for a in task.agents if a in library.personalities for t in library.personalities[a].toolboxes)
    for name in dict.fromkeys(names):
        if toolbox := library.toolboxes.get(name):
            _check_toolbox(task, name, source, where, library)
            for field, message in pending.pending_in_toolbox(toolbox):
                library.problems.append(library.sources[name].problem(field, message))


def _check_toolbox(task: Task, name: str, source: Source, where: Where, library: Library) -> None:
    tools = pending.pending_confirmation(task, library.toolboxes[name])
    if tools:
        message = (
            f"{', '.join(tools)} of {name} asks for confirmation, which is not supported yet by this version; "
            "set `headless: true`, or withhold the tool with `blocked_tools`"
        )
        library.problems.append(source.problem(where, message))
