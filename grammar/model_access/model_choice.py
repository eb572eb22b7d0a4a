"""Which model a task runs on, with which settings (specification sections 3 and 6)."""

from typing import Any

from grammar.documents.field_types import unsupported
from grammar.documents.models import ModelConfig, Task
from grammar.messages.activity_requests import ModelSpec

_OURS = ("api_type", "backend", "endpoint", "token")


def choose(task: Task, config: ModelConfig, index: int = 0) -> ModelSpec:
    """Return the task's model number `index`, from 0.

    Its name is a logical one of the config, or a provider's id. Settings: the config's, over them the task's, over them
    the choice's.
    """
    name, settings = _name_and_settings(task, config, index)
    return ModelSpec(
        name=config.models.get(name, name) if name else None,
        api_type=settings["api_type"],
        endpoint=settings.get("endpoint"),
        token=settings.get("token"),
        settings={key: value for key, value in settings.items() if key not in _OURS},
    )


def cannot_run(task: Task, config: ModelConfig, index: int = 0) -> str | None:
    """Return why this version cannot run the task's model number `index`, from 0; None: it can."""
    name, settings = _name_and_settings(task, config, index)
    message = unsupported(settings)
    return message and (f"model {name!r}: {message}" if name else message)


def _name_and_settings(task: Task, config: ModelConfig, index: int) -> tuple[str | None, dict[str, Any]]:
    """The model's name, as the file has it, and all its settings; `api_type` and `backend` are always among them."""
    choice = task.choices[index]
    name = choice.model if choice else task.model
    return name, {
        "api_type": config.api_type,
        "backend": config.backend,
        **config.model_settings.get(name or "", {}),
        **task.model_settings,
        **(choice.model_settings if choice else {}),
    }
