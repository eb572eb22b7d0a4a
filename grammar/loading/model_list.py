"""Which models a flow uses, where each is asked, and under which key (specification section 6). Pure."""

from collections.abc import Iterator, Mapping, Sequence

from pydantic import BaseModel, JsonValue

from grammar.documents.models import ModelConfig, Task
from grammar.messages.activity_requests import ModelSpec
from grammar.model_access import endpoint, model_choice


class ModelUse(BaseModel):
    """One model with its settings, and the tasks that use it so."""

    name: str | None
    """Its name, as tasks call it; None: the tasks name none."""
    model: str
    """The provider's id of the model."""
    api_type: str
    """The API that the endpoint speaks."""
    endpoint: str | None
    """The base URL, without a password; None: the embedded model."""
    token: str | None
    """The name of the variable that holds the key, never the key; None: no key is sent."""
    token_is_set: bool
    """Whether that variable is set here."""
    settings: dict[str, JsonValue]
    """Settings that are handed on to the model; of one that this version cannot run, its `backend`, too."""
    tasks: tuple[str, ...] = ()
    """The names of the tasks that use it; empty: none does."""


def models_of(config: ModelConfig, tasks: Sequence[Task], environ: Mapping[str, str]) -> list[ModelUse]:
    """Return the models that the tasks use, an entry per set of settings, and those of the config that none uses."""
    found: dict[str, ModelUse] = {}
    for name, spec, task in (*_named(config, tasks), *_unused(config, tasks)):
        use = _use(name, spec, environ)
        known = found.setdefault(use.model_dump_json(), use)
        if task is not None:
            found[use.model_dump_json()] = known.model_copy(update={"tasks": (*known.tasks, task)})
    return list(found.values())


def _named(config: ModelConfig, tasks: Sequence[Task]) -> Iterator[tuple[str | None, ModelSpec, str | None]]:
    for task in tasks:
        for index in range(len(task.choices) if task.run is None else 0):
            for number, name in enumerate(model_choice.names(task, config, index)):
                yield name, model_choice.choose(task, config, index, number), task.name


def _unused(config: ModelConfig, tasks: Sequence[Task]) -> Iterator[tuple[str | None, ModelSpec, str | None]]:
    used = {name for name, _, _ in _named(config, tasks)}
    for name in config.models:
        if name not in used:
            yield name, _unused_spec(Task(model=name), config), None


def _unused_spec(task: Task, config: ModelConfig) -> ModelSpec:
    """A model config may have models that this version cannot run: then its `backend` is told."""
    spec = model_choice.choose(task, config)
    backend = config.model_settings.get(task.model or "", {}).get("backend", config.backend)
    shown = {"backend": backend} if model_choice.cannot_run(task, config) else {}
    return spec.model_copy(update={"settings": spec.settings | shown})


def _use(name: str | None, spec: ModelSpec, environ: Mapping[str, str]) -> ModelUse:
    chosen = endpoint.choose(spec, environ)
    return ModelUse(
        name=name,
        model=endpoint.model_name(spec, environ),
        api_type=spec.api_type,
        endpoint=endpoint.shown(chosen.url),
        token=chosen.variable,
        token_is_set=bool(chosen.key),
        settings=spec.settings,
    )
