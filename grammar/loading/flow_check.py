"""What must hold between the parts of a flow, known before it runs."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain

from pydantic import JsonValue

from grammar.documents.models import ModelConfig, Task, Taskflow
from grammar.documents.sandbox import UNREACHABLE
from grammar.loading import data_flow
from grammar.loading.library import Library
from grammar.loading.tasks import TaskSource
from grammar.messages.run_bundle import Bundle
from grammar.model_access import model_choice
from grammar.model_access import needed_prices as needed
from grammar.model_access.needed_prices import NeededPrice
from grammar.preparing import outputs
from grammar.problems import Problem
from grammar.templating import literal_templates

_NO_AGENT = (
    "no agent: name a personality under `agents`, or begin the prompt with `-p NAME` in plain text, "
    "or with values of `globals` and `inputs` that are there"
)


def check(
    task_sources: Sequence[TaskSource],
    flow: Taskflow,
    globals_: Mapping[str, JsonValue],
    config: ModelConfig,
    library: Library,
) -> None:
    """Note every problem and warning of the flow in the library. `task_sources`: one for each task of `flow`."""
    ids: set[str] = set()
    for task_source, task in zip(task_sources, flow.taskflow, strict=True):
        problems = _incompatible_fields(task) if task_source.complete else ()
        for field, message in problems:
            library.note(task_source.problem(message, field), certain=field not in library.open_names)
        library.warnings += [
            task_source.problem(message, field) for field, message in data_flow.unlikely_model_names(task, config)
        ]
        library.problems += _unsupported_models(task_source, task, config)
        library.problems += _fallbacks_to_itself(task_source, task, config)
        library.problems += _unreachable_servers(task_source, task, library)
        for path, message in literal_templates.warnings(task):
            library.note(task_source.problem(message, *path), certain=False)
        if task.id in ids:
            library.problems.append(task_source.problem(f"{task.id!r} is used by an earlier task too", "id"))
        ids |= {task.id} if task.id else set()
    _check_outputs(task_sources, flow.taskflow, library)
    data_flow.check(task_sources, flow.taskflow, globals_, library)


def needed_prices(
    task_sources: Sequence[TaskSource], bundle: Bundle, limit_of_run: Problem | None
) -> list[NeededPrice]:
    """Return the prices that limits in dollars need. `limit_of_run`: where that of the run stands, if there is one."""
    found = []
    for task_source, task in zip(task_sources, bundle.tasks, strict=True):
        if where := next(_limits_in_dollars(task_source, task), limit_of_run):
            found += needed.needed_prices(task, bundle.config, where)
    return found


def _limits_in_dollars(task_source: TaskSource, task: Task) -> Iterator[Problem]:
    for name, budget in (("budget", task.budget), ("item_budget", task.item_budget)):
        if budget and budget.usd is not None:
            yield task_source.problem("", name, "usd")


def _unsupported_models(task_source: TaskSource, task: Task, config: ModelConfig) -> Iterator[Problem]:
    """What a model config says of models is told of the tasks that use them: it may be for another engine, too."""
    for index, choice in enumerate(task.choices if task.run is None else ()):
        for number in range(len(model_choice.names(task, config, index))):
            if message := model_choice.cannot_run(task, config, index, number):
                field = "fallback" if number and task.fallback else "model"
                yield task_source.problem(message, *(("models", index) if choice and not number else (field,)))


def _fallbacks_to_itself(task_source: TaskSource, task: Task, config: ModelConfig) -> Iterator[Problem]:
    """A model that is among its own fallbacks, or a fallback that is named twice, would fail again at once."""
    for index in range(len(task.choices) if task.run is None else 0):
        for name, count in Counter(model_choice.names(task, config, index)).items():
            if count > 1:
                message = f"{name!r} would go on in its own place: name each model once"
                yield task_source.problem(message, "fallback" if task.fallback else "model")


def _unreachable_servers(task_source: TaskSource, task: Task, library: Library) -> Iterator[Problem]:
    """Servers that would be started in the task's sandbox, and not be reached there."""
    of_agents = (library.personalities[name].toolboxes for name in task.agents if name in library.personalities)
    names = chain.from_iterable(of_agents) if task.toolboxes is None else task.toolboxes
    for name in dict.fromkeys(names):
        toolbox = library.toolboxes.get(name)
        held = task.sandbox if toolbox and not toolbox.sandbox else None
        if toolbox and held and toolbox.server_params.is_held_unreachably_by(held):
            yield task_source.problem(f"toolbox {name}: {UNREACHABLE}; give the toolbox one of its own", "sandbox")


def _check_outputs(task_sources: Sequence[TaskSource], parsed: Sequence[Task], library: Library) -> None:
    size = 0
    for task_source, task in zip(task_sources, parsed, strict=True):
        size += outputs.size(task.outputs)
        if size > outputs.MOST_VALUES:
            message = f"here the flow's schemas, together, have more than {outputs.MOST_VALUES:,} values"
            library.problems.append(task_source.problem(message, "outputs"))
            return
        if task.outputs is not None and task_source.complete and (malformed := outputs.malformed(task.outputs)):
            library.problems.append(task_source.problem(malformed, "outputs"))


def _incompatible_fields(task: Task) -> Iterator[tuple[str, str]]:
    """(field, what is wrong) for fields that do not go together, or that are missing."""
    if task.run is not None and task.user_prompt is not None:
        yield "run", "a task has `run` or `user_prompt`, not both"
    if task.run is None and task.user_prompt is None:
        yield "user_prompt", "a task needs a `user_prompt` or a `run`"
    if task.model and task.models:
        yield "models", "a task has `model` or `models`, not both"
    if task.user_prompt is not None and not task.agents:
        yield "agents", _NO_AGENT
