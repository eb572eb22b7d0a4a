"""Whether a run of an edited file may take over what an earlier run of it gave, task by task. Pure."""

from collections.abc import Iterator, Sequence
from typing import Any

from grammar.documents.models import Task
from grammar.errors import NotTakenOver
from grammar.messages import model_choice
from grammar.messages.reports import TaskReport
from grammar.messages.run_bundle import Bundle
from grammar.templating import template_outline
from grammar.templating.task_templates import included, templates_of

SETTLED = ("done", "skipped")


def beginning(old: Bundle, reports: Sequence[TaskReport], new: Bundle, asked: str | None, run: str) -> int:
    """Return the index, from 0, of the task that the new run begins with. Raises NotTakenOver, with the reason.

    `asked`: the name or id of that task; None: the first one that differs, or that the earlier run did not complete.
    `run`: the id of the earlier run, and `reports` its tasks.
    """
    reasons = list(_reasons(old, reports, new, run))
    differs = next((index for index, reason in enumerate(reasons) if reason), len(new.tasks))
    if asked is None:
        if differs == 0:
            raise NotTakenOver(f"nothing can be taken over from run {run}: {reasons[0]}")
        return min(differs, len(new.tasks) - 1)
    names = [name for task in new.tasks for name in (task.name, task.id)]
    if asked not in names:
        raise NotTakenOver(f"no task has the name or id {asked!r}")
    begin = names.index(asked) // 2
    if differs < begin:
        raise NotTakenOver(f"run {run} cannot be taken over up to {asked!r}: {reasons[differs]}")
    return begin


def _reasons(old: Bundle, reports: Sequence[TaskReport], new: Bundle, run: str) -> Iterator[str | None]:
    """Why the result of each task cannot be taken over; None where it can."""
    for index, task in enumerate(new.tasks):
        if index >= len(old.tasks):
            yield f"it has no task {task.name!r}"
        elif changed := _changed(old, old.tasks[index], new, task):
            yield f"task {task.name!r} differs: {', '.join(changed)}"
        elif reports[index].status not in SETTLED:
            yield f"task {task.name!r} was not completed there, but {reports[index].status}"
        else:
            yield None


def _changed(old: Bundle, before: Task, new: Bundle, now: Task) -> list[str]:
    """The fields, and the documents, in which a task differs."""
    first, second = _what_counts(old, before), _what_counts(new, now)
    return [name for name in sorted({*first, *second}) if first.get(name) != second.get(name)]


def _what_counts(bundle: Bundle, task: Task) -> dict[str, Any]:
    """Everything that a task's result depends on, by name."""
    found: dict[str, Any] = {key: value for key, value in task.model_dump(mode="json").items() if key not in _HARMLESS}
    found |= {f"personality {name}": bundle.personalities[name].model_dump(mode="json") for name in task.agents}
    boxes = bundle.toolboxes_of(task)
    found |= {f"toolbox {name}": box.model_dump(mode="json") for name, box in boxes.items()}
    found |= {f"prompt {name}": bundle.prompts[name] for name in included(task, bundle.prompts)}
    if task.run is None:
        specs = [model_choice.choose(task, bundle.config, index) for index in range(len(task.choices))]
        found["model"] = [spec.model_dump(mode="json") for spec in specs]
    templates = [text for box in boxes.values() for _, text in box.server_params.templates()]
    return found | _globals(bundle, task, templates)


# What people read, and how failures are met: neither changes what a task gives.
_HARMLESS = {
    "name", "description", "retry", "start_to_close_timeout", "schedule_to_close_timeout", "heartbeat_timeout",
    "on_failure", "must_complete", "async_", "async", "async_limit", "model_concurrency",
}  # fmt: skip


def _globals(bundle: Bundle, task: Task, templates: list[str]) -> dict[str, Any]:
    """The globals that the task's templates read; all of them where one is not read by its name."""
    texts = [*templates_of(task, bundle.prompts), *templates]
    reads = [read for text in texts for read in template_outline.outline(text).reads if read.name == "globals"]
    if sum(text.count("globals") for text in texts) > len(reads):
        return {"globals": bundle.globals}
    return {f"global {read.key}": bundle.globals.get(read.key or "") for read in reads}
