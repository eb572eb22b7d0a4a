"""Which models a task runs on, with which settings, and who goes on in their place (specification sections 3 and 6)."""

from collections.abc import Iterator
from typing import Any

from grammar.documents.field_types import unsupported
from grammar.documents.model_reach import ModelReach, reach
from grammar.documents.models import ModelConfig, Task
from grammar.messages.activity_requests import ModelSpec
from grammar.messages.run_bundle import Bundle
from grammar.model_access import messages_settings


def choose(task: Task, config: ModelConfig, index: int = 0, number: int = 0) -> ModelSpec:
    """Return the task's model number `index`, from 0; with a `number` of 1 and more, that fallback of it.

    Its name is a logical one of the config, or a provider's id. Settings: the config's, over them the task's, over them
    the choice's; of the task's, a fallback gets those that are for the model.
    """
    name, settings = _name_and_settings(task, config, index, number)
    own = reach(settings).limits
    return ModelSpec(
        name=config.models.get(name, name) if name else None,
        api_type=_api_type(settings),
        endpoint=settings.get("endpoint"),
        token=settings.get("token"),
        limits=own or config.limits,
        limits_are_its_own=own is not None,
        settings={key: value for key, value in settings.items() if key not in ModelReach.SETTINGS},
    )


def chain(task: Task, config: ModelConfig, index: int = 0) -> list[ModelSpec]:
    """Return the models that a branch asks, one where the one before fails: the task's of that index, its fallbacks."""
    return [choose(task, config, index, number) for number in range(len(names(task, config, index)))]


def asked_models(bundle: Bundle) -> Iterator[tuple[str | None, ModelSpec]]:
    """Yield each model that a run of the bundle may ask, by its name in the file and as it is; none in a dry run.

    The name is None where a task names none; models of several tasks come several times.
    """
    for task in bundle.tasks:
        if task.run is None and bundle.script is None:
            for index in range(len(task.choices)):
                yield from zip(names(task, bundle.config, index), chain(task, bundle.config, index), strict=True)


def names(task: Task, config: ModelConfig, index: int = 0) -> tuple[str | None, ...]:
    """Return the same by the names that the file has for them; None: it names none."""
    name, settings = _own(task, config, index)
    return name, *(reach(settings).fallback if task.fallback is None else task.fallback)


def fallback_after(task: Task, config: ModelConfig, index: int = 0) -> float | None:
    """Return the seconds that an endpoint may fail before the next model goes on; None: until attempts are used up."""
    return task.fallback_after or reach(_own(task, config, index)[1]).fallback_after


def cannot_run(task: Task, config: ModelConfig, index: int = 0, number: int = 0) -> str | None:
    """Return why this version cannot run the task's model number `index`, or that fallback of it; None: it can."""
    name, settings = _name_and_settings(task, config, index, number)
    message = unsupported(settings)
    if message is None and _api_type(settings) == "messages":
        message = messages_settings.problem(settings)
    return message and (f"model {name!r}: {message}" if name else message)


def _api_type(settings: dict[str, Any]) -> str:
    """The API that the endpoint speaks: in files for the existing engine, its backend for Anthropic says so alone."""
    return "messages" if settings["backend"] == "anthropic_sdk" else str(settings["api_type"])


def _name_and_settings(task: Task, config: ModelConfig, index: int, number: int) -> tuple[str | None, dict[str, Any]]:
    """The model's name, as the file has it, and all its settings; `api_type` and `backend` are always among them."""
    if number == 0:
        return _own(task, config, index)
    name = names(task, config, index)[number]
    for_models = {key: value for key, value in task.model_settings.items() if key not in ModelReach.SETTINGS}
    return name, {**_of_config(name, config), **for_models}


def _own(task: Task, config: ModelConfig, index: int) -> tuple[str | None, dict[str, Any]]:
    choice = task.choices[index]
    name = choice.model if choice else task.model
    return name, {**_of_config(name, config), **task.model_settings, **(choice.model_settings if choice else {})}


def _of_config(name: str | None, config: ModelConfig) -> dict[str, Any]:
    return {"api_type": config.api_type, "backend": config.backend, **config.model_settings.get(name or "", {})}
