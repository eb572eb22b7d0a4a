"""Which model a task runs on, with which settings (specification sections 3 and 6)."""

from typing import Any

from grammar.documents.models import ModelConfig, Task
from grammar.messages.activity_requests import ModelSpec

_OURS = ("api_type", "backend", "endpoint", "token")


def choose(task: Task, config: ModelConfig, index: int = 0) -> ModelSpec:
    """Return the task's model number `index`, from 0.

    Its name is a logical one of the config, or a provider's id. Settings: the config's, over them the task's, over them
    the choice's.
    """
    choice = task.choices[index]
    name = choice.model if choice else task.model
    settings: dict[str, Any] = {
        **config.model_settings.get(name or "", {}),
        **task.model_settings,
        **(choice.model_settings if choice else {}),
    }
    return ModelSpec(
        name=config.models.get(name, name) if name else None,
        api_type=settings.get("api_type", config.api_type),
        endpoint=settings.get("endpoint"),
        token=settings.get("token"),
        settings={key: value for key, value in settings.items() if key not in _OURS},
    )
