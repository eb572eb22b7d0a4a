"""Tasks as they are written, with what `defaults` and `uses` put under them (specification section 3)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import JsonValue, ValidationError

from grammar.documents.models import ModelChoice, Retry, Task, Taskflow
from grammar.errors import InvalidFlow
from grammar.loading.library import Library
from grammar.loading.source import FieldPath, Source
from grammar.problems import Problem
from grammar.templating import prompt_agent

_NO_TASK = "must be `- task:` with the task's fields below it"
_NOT_INDENTED = "the task's fields must be indented: further in than `task:`"
_NO_LIST = "must be a list: write `- ` before each `task:`"

MOST_TASKS = 1_000
MOST_USES = 20


@dataclass(frozen=True)
class TaskSource:
    """A task as it is written: its valid fields, and where each of them stands."""

    source: Source
    """The document that has the task."""
    path: FieldPath
    """Where in `source` the task stands."""
    fields: dict[str, Any]
    """Its fields, with what `uses` and `defaults` add; fields that are malformed are missing."""
    origins: dict[str, tuple[Source, FieldPath]] = field(default_factory=dict)
    """The document, and the path of the task in it, that each of `fields` comes from."""
    complete: bool = True
    """Whether what it uses was found, and none of its fields is malformed."""

    def location(self, name: str, *steps: str | int) -> tuple[Source, FieldPath]:
        """Return where a field, or a part of it, stands; where it is not written, it would stand in the task itself."""
        if name == "agents" and name not in self.fields:
            name, steps = "user_prompt", ()
        source, path = self.origins.get(name, (self.source, self.path))
        return source, (*path, name, *steps)

    def problem(self, message: str, name: str, *steps: str | int) -> Problem:
        """Return a problem with that field of the task, or a part of it."""
        source, path = self.location(name, *steps)
        return source.problem(path, message)

    def over_used(self, used: "TaskSource") -> "TaskSource":
        """Return the task over the one that it `uses`. A field that says no more than the default gives way."""
        fields, origins = dict(used.fields), dict(used.origins)
        for name, value in self.fields.items():
            if name not in used.fields or not _is_default(name, value):
                fields[name], origins[name] = value, self.origins[name]
        return replace(self, fields=fields, origins=origins, complete=self.complete and used.complete)

    def over_defaults(self, defaults: "TaskSource") -> "TaskSource":
        """Return the task over the file's `defaults`: whatever is written wins."""
        fields, origins = {**defaults.fields, **self.fields}, {**defaults.origins, **self.origins}
        return replace(self, fields=fields, origins=origins, complete=self.complete and defaults.complete)


def tasks_of(source: Source, library: Library) -> list[TaskSource]:
    """Return the flow's tasks, as far as they are well formed; problems go to the library. Raises InvalidFlow.

    That is for more than MOST_TASKS tasks.
    """
    if (number := len(_entries(source))) > MOST_TASKS:
        raise InvalidFlow([source.problem(("taskflow",), f"has {number:,} tasks; at most {MOST_TASKS:,} are possible")])
    return list(_TaskReader(library).tasks(source, ()))


class _TaskReader:
    """Reads the tasks of one flow, and of the flows that they use."""

    def __init__(self, library: Library) -> None:
        self._library = library
        self._problems = library.problems
        self._used_tasks: dict[Path, TaskSource | None] = {}

    def tasks(self, source: Source, using: tuple[Source, ...]) -> Iterator[TaskSource]:
        """The tasks of a file. `using`: the files whose `uses` led here, outermost first."""
        defaults = self._defaults(source)
        for index, entry in enumerate(_entries(source)):
            task = self._task(source, index, entry)
            yield self._with_used(task, (*using, source)).over_defaults(defaults)

    def _defaults(self, source: Source) -> TaskSource:
        data = source.data.get("defaults")
        path: FieldPath = ("defaults",)
        if not isinstance(data, dict):
            return TaskSource(source, path, {})
        return self._task_source(source, path, data)

    def _task(self, source: Source, index: int, entry: Any) -> TaskSource:
        data = entry.get("task") if isinstance(entry, dict) else None
        if not isinstance(data, dict):
            beside = isinstance(entry, dict) and "task" in entry and Task.known_fields() & set(entry)
            self._problems.append(source.problem(("taskflow", index), _NOT_INDENTED if beside else _NO_TASK))
            return TaskSource(source, ("taskflow", index), {}, complete=False)
        self._library.warn_other(source, entry, ("task",), ("taskflow", index), _misplaced)
        return self._task_source(source, ("taskflow", index, "task"), data)

    def _task_source(self, source: Source, path: FieldPath, data: dict[str, Any]) -> TaskSource:
        written = {name: value for name, value in data.items() if value is not None}
        self._warn_unknown(source, path, written)
        valid, problems = source.valid_fields(Task, written, path)
        self._problems += problems
        return TaskSource(source, path, valid, dict.fromkeys(valid, (source, path)), complete=not problems)

    def _warn_unknown(self, source: Source, path: FieldPath, written: dict[str, Any]) -> None:
        self._library.warn_unknown(source, written, Task, path)
        self._library.warn_unknown(source, written.get("retry"), Retry, (*path, "retry"))
        models = written.get("models")
        for index, choice in enumerate(models if isinstance(models, list) else ()):
            self._library.warn_unknown(source, choice, ModelChoice, (*path, "models", index))

    def _with_used(self, task: TaskSource, using: tuple[Source, ...]) -> TaskSource:
        """The task over what it uses."""
        if task.fields.get("uses") is None:
            return task
        used = self._used(task, using)
        return task.over_used(used) if used else replace(task, complete=False)

    def _used(self, task: TaskSource, using: tuple[Source, ...]) -> TaskSource | None:
        """The task that `uses` names; it may use another one itself."""
        reference = task.fields.get("uses")
        if not isinstance(reference, str):
            return None
        source, path = task.location("uses")
        found = self._library.document(reference, "taskflow", source, path)
        if found is None:
            return None
        if any(found.path == other.path for other in using):
            chain = " uses ".join(document.label for document in (*using, found))
            self._problems.append(source.problem(path, f"uses itself: {chain}"))
            return None
        if len(using) > MOST_USES:
            self._problems.append(source.problem(path, f"more than {MOST_USES} files that use one another"))
            return None
        if (number := len(_entries(found))) != 1:
            message = f"{reference!r} has {number} tasks; only a taskflow with exactly one task can be used"
            self._problems.append(source.problem(path, message))
            return None
        return self._only_task(found, using)

    def _only_task(self, found: Source, using: tuple[Source, ...]) -> TaskSource | None:
        if found.path not in self._used_tasks:
            self._used_tasks[found.path] = next(self.tasks(found, using), None)
        return self._used_tasks[found.path]


def _entries(source: Source) -> list[Any]:
    """What the file has under `taskflow`."""
    entries = source.data.get("taskflow")
    return entries if isinstance(entries, list) else []


def _misplaced(key: str) -> str | None:
    return "a field of the task: indent it below `task:`" if key in Task.known_fields() else None


def _is_default(name: str, value: Any) -> bool:
    """Whether the value says just what the field says when it is not written."""
    for attribute, known in Task.model_fields.items():
        if name == (known.alias or attribute):
            try:
                return bool(getattr(Task.model_validate({name: value}), attribute) == known.get_default())
            except ValidationError:  # noted where the field was read
                return False
    return False


def merged(
    tasks: list[TaskSource], source: Source, globals_: Mapping[str, JsonValue], library: Library
) -> tuple[Taskflow | None, list[Problem]]:
    """Return the taskflow, and what is wrong with its own fields. None: it has no tasks to put together.

    `globals_`: those of the command line, over those of the file.
    """
    data = dict(source.data)
    written = data.get("globals")
    known = {**written, **globals_} if isinstance(written, dict) else dict(globals_)
    if tasks:
        data["taskflow"] = [_task_data(task, index, known, library) for index, task in enumerate(tasks)]
    valid, problems = source.valid_fields(Taskflow, data)
    if isinstance(data.get("taskflow"), dict):
        problems = [replace(one, message=_NO_LIST) if one.field == "taskflow" else one for one in problems]
    return Taskflow.model_validate(valid) if "taskflow" in valid else None, problems


def _task_data(task: TaskSource, index: int, globals_: dict[str, JsonValue], library: Library) -> dict[str, Any]:
    """The fields, with a name, and the agent that a prompt names by `-p NAME` at its start where there is no other."""
    prompt = task.fields.get("user_prompt")
    data = {"name": f"task-{index + 1}", **task.fields}
    if not isinstance(prompt, str) or data.get("agents"):
        return data
    names: dict[str, JsonValue] = {"globals": globals_, "inputs": data.get("inputs")}
    referrer, _ = task.location("user_prompt")
    named = prompt_agent.split(prompt, names, lambda name: library.text_of(name, referrer))
    return {**data, "agents": [named[0]], "user_prompt": named[1]} if named else data
