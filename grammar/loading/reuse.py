"""Whether a run of an edited file may take over what an earlier run of it gave, task by task. Pure."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

from pydantic import JsonValue

from grammar.documents.models import Task
from grammar.errors import NotTakenOver
from grammar.messages import fan_out
from grammar.messages.activity_results import Usage
from grammar.messages.asked_models import Cost
from grammar.messages.continue_as_new import CarriedTask
from grammar.messages.reports import TaskReport
from grammar.messages.run_bundle import Bundle
from grammar.model_access import model_choice
from grammar.templating.task_templates import globals_read, included, templates_of

SETTLED = ("done", "skipped")


def beginning(
    old: Bundle, reports: Sequence[TaskReport], new: Bundle, asked: str | None, run: str, stored: Collection[str] = ()
) -> int:
    """Return the index, from 0, of the task that the new run begins with. Raises NotTakenOver, with the reason.

    `asked`: the name or id of that task; None: the first one that differs, or that the earlier run did not complete.
    `run`: the id of the earlier run, `reports` its tasks, and `stored` the ids of those whose values are in payload
    storage.
    """
    reasons = list(_reasons(old, reports, new, run, stored))
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


def outputs_taken_over(old: Bundle, new: Bundle, outputs: Mapping[str, JsonValue]) -> dict[str, JsonValue]:
    """Return what tasks of the earlier run published, by their ids, as the new run's templates read it."""
    if old.meaning == new.meaning:
        return dict(outputs)
    models = {task.id: len(task.choices) for task in old.tasks if task.fans_out}
    return {
        name: fan_out.in_todays_meaning(value, models[name]) if name in models else value
        for name, value in outputs.items()
    }


def taken_over(task: CarriedTask, run: str) -> CarriedTask:
    """Return a task of the earlier run as one that cost the new run nothing. `run`: the id of the earlier run."""
    free_report = {"usage": Usage(), "usage_by_model": [], "cost": Cost()}
    report = task.report.model_copy(update={"note": f"taken over from {run}", **free_report})
    free = [branch.lost.model_copy(update={"usage": Usage()}) for branch in task.branches]
    branches = [branch.model_copy(update={"lost": lost}) for branch, lost in zip(task.branches, free, strict=True)]
    return task.model_copy(update={"report": report, "used": [], "branches": branches})


def _reasons(
    old: Bundle, reports: Sequence[TaskReport], new: Bundle, run: str, stored: Collection[str]
) -> Iterator[str | None]:
    """Why the result of each task cannot be taken over; None where it can."""
    for index, task in enumerate(new.tasks):
        if index >= len(old.tasks):
            yield f"it has no task {task.name!r}"
        elif changed := _changed(old, old.tasks[index], new, task):
            yield f"task {task.name!r} differs: {', '.join(changed)}"
        elif reports[index].status not in SETTLED:
            yield f"task {task.name!r} was not completed there, but {reports[index].status}"
        elif old.meaning != new.meaning and task.fans_out and task.id in stored:
            yield f"task {task.name!r} gave a large list there, in the form of an older version"
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
        found["model"] = [spec.model_dump(mode="json", exclude={"limits", "limits_are_its_own"}) for spec in specs]
    templates = [text for box in boxes.values() for _, text in box.server_params.templates()]
    return found | _globals(bundle, task, templates)


# What people read, and how failures are met: neither changes what a task gives.
_HARMLESS = {
    "name", "description", "retry", "start_to_close_timeout", "schedule_to_close_timeout", "heartbeat_timeout",
    "on_failure", "must_complete", "budget", "item_budget", "on_budget", "stop_after", "fallback", "fallback_after",
    "async_", "async", "async_limit", "model_concurrency",
}  # fmt: skip


def _globals(bundle: Bundle, task: Task, templates: list[str]) -> dict[str, Any]:
    """The globals that the task's templates read; all of them where one is not read by its name."""
    texts = [*templates_of(task, bundle.prompts), *templates]
    read = globals_read(texts)
    if read is None:
        return {"globals": bundle.globals}
    return {f"global {name}": bundle.globals.get(name) for name in read}
