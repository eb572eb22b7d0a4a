"""Tasks as they are written, with what `defaults` and `uses` put under them (specification section 3)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from grammar.documents.models import ModelChoice, Retry, Task, Taskflow
from grammar.errors import InvalidFlow, Problem
from grammar.loading.library import Library, Where
from grammar.loading.source import Source

MOST_TASKS = 1_000
MOST_USES = 20

_PERSONALITY = re.compile(r"-p[ \t]+(\S+)[ \t]*\n?")


@dataclass(frozen=True)
class TaskSource:
    """A task's fields, merged, and where each of them stands. `where`: the task itself, in `source`.

    `whole`: what it uses was found, and none of its fields is malformed.
    """

    source: Source
    where: Where
    data: dict[str, Any]
    origins: dict[str, tuple[Source, Where]] = field(default_factory=dict)
    whole: bool = True

    def at(self, name: str, *steps: str | int) -> tuple[Source, Where]:
        """The file and the path of a field, or of a part of it; of the task itself where the field is not written."""
        name = "user_prompt" if name == "agents" and name not in self.data else name
        source, where = self.origins.get(name, (self.source, self.where))
        return source, (*where, name, *steps)

    def problem(self, message: str, name: str, *steps: str | int) -> Problem:
        """That field of the task is wrong."""
        source, where = self.at(name, *steps)
        return source.problem(where, message)

    def over(self, below: "TaskSource") -> "TaskSource":
        """The task with another's fields as its defaults. A field that says no more than the default gives way."""
        data, origins = dict(below.data), dict(below.origins)
        whole = self.whole and below.whole
        for name, value in self.data.items():
            if name not in below.data or not _is_default(name, value):
                data[name], origins[name] = value, self.origins[name]
        return replace(self, data=data, origins=origins, whole=whole)

    def on(self, below: "TaskSource") -> "TaskSource":
        """The task over the file's `defaults`: whatever is written wins."""
        data, origins = {**below.data, **self.data}, {**below.origins, **self.origins}
        return replace(self, data=data, origins=origins, whole=self.whole and below.whole)


def tasks_of(source: Source, library: Library) -> list[TaskSource]:
    """The flow's tasks, as far as they are well formed; the library hears of the rest. Raises InvalidFlow."""
    if (number := len(_entries(source))) > MOST_TASKS:
        raise InvalidFlow([source.problem(("taskflow",), f"has {number:,} tasks; at most {MOST_TASKS:,} are possible")])
    return list(_Reader(library).tasks(source, ()))


class _Reader:
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
            yield self._complete(task, (*using, source)).on(defaults)

    def _defaults(self, source: Source) -> TaskSource:
        data = source.data.get("defaults")
        where: Where = ("defaults",)
        if not isinstance(data, dict):
            return TaskSource(source, where, {})
        return self._written(source, where, data)

    def _task(self, source: Source, index: int, entry: Any) -> TaskSource:
        data = entry.get("task") if isinstance(entry, dict) else None
        if not isinstance(data, dict):
            message = "must be `- task:` with the task's fields below it"
            self._problems.append(source.problem(("taskflow", index), message))
            return TaskSource(source, ("taskflow", index), {}, whole=False)
        self._library.warn_other(source, entry, ("task",), ("taskflow", index))
        return self._written(source, ("taskflow", index, "task"), data)

    def _written(self, source: Source, where: Where, data: dict[str, Any]) -> TaskSource:
        given = {name: value for name, value in data.items() if value is not None}
        self._warn_unknown(source, where, given)
        sound, problems = source.sound(Task, given, where)
        self._problems += problems
        return TaskSource(source, where, sound, dict.fromkeys(sound, (source, where)), whole=not problems)

    def _warn_unknown(self, source: Source, where: Where, given: dict[str, Any]) -> None:
        self._library.warn_unknown(source, given, Task, where)
        self._library.warn_unknown(source, given.get("retry"), Retry, (*where, "retry"))
        models = given.get("models")
        for index, choice in enumerate(models if isinstance(models, list) else ()):
            self._library.warn_unknown(source, choice, ModelChoice, (*where, "models", index))

    def _complete(self, task: TaskSource, using: tuple[Source, ...]) -> TaskSource:
        """The task over what it uses."""
        if task.data.get("uses") is None:
            return task
        below = self._used(task, using)
        return task.over(below) if below else replace(task, whole=False)

    def _used(self, task: TaskSource, using: tuple[Source, ...]) -> TaskSource | None:
        """The task that `uses` names; it may use another one itself."""
        reference = task.data.get("uses")
        if not isinstance(reference, str):
            return None
        source, where = task.at("uses")
        found = self._library.document(reference, "taskflow", source, where)
        if found is None:
            return None
        if any(found.path == other.path for other in using):
            chain = " uses ".join(one.label for one in (*using, found))
            self._problems.append(source.problem(where, f"uses itself: {chain}"))
            return None
        if len(using) > MOST_USES:
            self._problems.append(source.problem(where, f"more than {MOST_USES} files that use one another"))
            return None
        if (number := len(_entries(found))) != 1:
            message = f"{reference!r} has {number} tasks; only a taskflow with exactly one task can be used"
            self._problems.append(source.problem(where, message))
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


def _is_default(name: str, value: Any) -> bool:
    """Whether the value says just what the field says when it is not written."""
    for attribute, known in Task.model_fields.items():
        if name == (known.alias or attribute):
            try:
                return bool(getattr(Task.model_validate({name: value}), attribute) == known.get_default())
            except ValidationError:  # noted where the field was read
                return False
    return False


def merged(tasks: list[TaskSource], source: Source) -> tuple[Taskflow | None, list[Problem]]:
    """The taskflow with its tasks put together, as far as it is one, and what is wrong with its own fields."""
    data = dict(source.data)
    if tasks:
        data["taskflow"] = [_task_data(task.data, index) for index, task in enumerate(tasks)]
    sound, problems = source.sound(Taskflow, data)
    return Taskflow.model_validate(sound) if "taskflow" in sound else None, problems


def _task_data(data: dict[str, Any], index: int) -> dict[str, Any]:
    """The fields, with a name, and the agent that a prompt names by `-p NAME` at its start where there is no other."""
    prompt = data.get("user_prompt")
    named = _PERSONALITY.match(prompt) if isinstance(prompt, str) and not data.get("agents") else None
    given = {"name": f"task-{index + 1}", **data}
    if named is None or prompt is None or "{" in named[1]:
        return given
    return {**given, "agents": [named[1]], "user_prompt": prompt[named.end() :]}
