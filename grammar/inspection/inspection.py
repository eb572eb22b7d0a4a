"""What a flow would do: what it runs, whom it asks, what it reads, and which files it consists of. Pure."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Literal

from pydantic import BaseModel

from grammar.documents.models import Task, Toolbox
from grammar.documents.references import Place
from grammar.dot_env_rules import from_dot_env
from grammar.loading.bundle import Loaded
from grammar.loading.model_list import ModelUse, models_of
from grammar.messages.run_bundle import Bundle
from grammar.model_access import endpoint
from grammar.templating import env_allow, env_calls
from grammar.templating.task_templates import templates_of


class InspectedFile(BaseModel):
    """A document that the flow consists of."""

    kind: str
    """What it is taken for: `taskflow`, `personality`, `toolbox`, `model_config`, `prompt`."""
    name: str
    """The first reference that leads to it."""
    path: Path
    """The file."""
    place: Place
    """Where it was found."""


class InspectedScript(BaseModel):
    """The bash script of a shell task."""

    task: str
    """The name of the task."""
    script: str
    """The script; it is no template."""
    repeats: bool
    """Whether it runs once for each item."""


class InspectedAgents(BaseModel):
    """The agents of a task, and which tools they have."""

    task: str
    """The name of the task."""
    personalities: list[str]
    """The references to their personalities, the primary one first."""
    toolboxes: list[str]
    """The references to the toolboxes whose tools they have."""
    blocked_tools: list[str]
    """The tools that they do not have all the same."""
    headless: bool
    """Whether tools that ask a person first are called unasked."""
    repeats: bool
    """Whether they run once for each item."""


class InspectedToolbox(BaseModel):
    """An MCP server that agents get their tools from. Which tools it has, only the server itself knows."""

    name: str
    """The reference to it."""
    kind: str
    """How it is reached: `stdio`, `sse`, `streamable`."""
    command: list[str]
    """The command that starts it, with its arguments, as templates; empty: it runs already, elsewhere."""
    url: str | None
    """Where it answers, as a template, without a password; None: over its own standard streams."""
    sets: list[str]
    """The names of the variables that its process gets, beside the few that every program needs."""
    headers: list[str]
    """The names of the headers that it is sent."""
    confirm: list[str]
    """The tools that ask a person first, but in a task that is headless."""


class InspectedHost(BaseModel):
    """Somebody whom the run talks to."""

    url: str | None
    """The base URL of a model's endpoint, or the URL of an MCP server, as a template; None: a model on this machine."""
    purpose: Literal["model", "toolbox"]
    """What for."""
    name: str
    """The model's id, or the toolbox's reference."""


class InspectedVariable(BaseModel):
    """An environment variable that templates read by `env()`, or that is sent as a model's key."""

    name: str | None
    """Its name; None: one that only a template can compute."""
    standing: Literal["set", "from .env", "not set", "not allowed", "unknown"]
    """How it stands in this process: `not allowed` by TASKFLOW_ENV_ALLOW; `unknown` where the name is."""
    used_by: list[str]
    """What reads it: `task fetch`, `toolbox echo`, `model gpt-4.1`."""


class Inspection(BaseModel):
    """What a run of the flow would do."""

    source: str
    """The flow's file, as people call it."""
    hash: str
    """The hash of all that it consists of: what `--allow-flows` of a worker takes."""
    files: list[InspectedFile]
    """The files that it consists of, the flow first."""
    scripts: list[InspectedScript]
    """What shell tasks run."""
    agents: list[InspectedAgents]
    """Who is at work in the other tasks."""
    toolboxes: list[InspectedToolbox]
    """What is started or reached for agents."""
    models: list[ModelUse]
    """The models that are asked."""
    hosts: list[InspectedHost]
    """Whom the run talks to by itself; scripts and tools may talk to anybody."""
    variables: list[InspectedVariable]
    """What it reads of the environment, sorted by name."""


def inspect(loaded: Loaded, environ: Mapping[str, str]) -> Inspection:
    """Return what a run of the bundle would do. `environ`: of this process, which decides about endpoints and keys."""
    bundle = loaded.bundle
    models = [use for use in models_of(bundle.config, bundle.tasks, environ) if use.tasks]
    toolboxes = [_toolbox(name, box) for name, box in bundle.toolboxes.items()]
    return Inspection(
        source=bundle.source,
        hash=bundle.hash,
        files=[InspectedFile(**vars(document)) for document in loaded.documents],
        scripts=[_script(task) for task in bundle.tasks if task.run is not None],
        agents=[_agents(task, bundle) for task in bundle.tasks if task.run is None],
        toolboxes=toolboxes,
        models=models,
        hosts=list(_hosts(models, toolboxes)),
        variables=_variables(bundle, models, environ),
    )


def _script(task: Task) -> InspectedScript:
    return InspectedScript(task=task.name or "", script=task.run or "", repeats=task.repeats)


def _agents(task: Task, bundle: Bundle) -> InspectedAgents:
    return InspectedAgents(
        task=task.name or "",
        personalities=list(task.agents),
        toolboxes=list(bundle.toolboxes_of(task)),
        blocked_tools=list(task.blocked_tools),
        headless=task.headless,
        repeats=task.repeats,
    )


def _toolbox(name: str, box: Toolbox) -> InspectedToolbox:
    params = box.server_params
    return InspectedToolbox(
        name=name,
        kind=params.kind,
        command=[params.command, *params.args] if params.command else [],
        url=_shown(params.url),
        sets=list(params.env),
        headers=[*params.headers, *params.optional_headers],
        confirm=list(box.confirm),
    )


def _hosts(models: list[ModelUse], toolboxes: list[InspectedToolbox]) -> Iterator[InspectedHost]:
    yield from (InspectedHost(url=use.endpoint, purpose="model", name=use.model) for use in models)
    yield from (InspectedHost(url=box.url, purpose="toolbox", name=box.name) for box in toolboxes if box.url)


def _shown(url: str | None) -> str | None:
    """A template may have what no URL has."""
    try:
        return endpoint.shown(url)
    except ValueError:
        return url


def _variables(bundle: Bundle, models: list[ModelUse], environ: Mapping[str, str]) -> list[InspectedVariable]:
    users: dict[str | None, list[str]] = {}
    for name, user in _reads(bundle, models):
        known = users.setdefault(name, [])
        known += [user] if user not in known else []
    return [
        InspectedVariable(name=name, standing=_standing(name, environ), used_by=users[name])
        for name in sorted(users, key=lambda name: (name is None, name))
    ]


def _reads(bundle: Bundle, models: list[ModelUse]) -> Iterator[tuple[str | None, str]]:
    """Each variable, with what reads it."""
    for task in bundle.tasks:
        for text in templates_of(task, bundle.prompts):
            yield from ((name, f"task {task.name}") for name in env_calls.variables(text))
    for reference, box in bundle.toolboxes.items():
        for _, text in box.server_params.templates():
            yield from ((name, f"toolbox {reference}") for name in env_calls.variables(text))
    yield from ((use.token, f"model {use.model}") for use in models if use.token)


def _standing(
    name: str | None, environ: Mapping[str, str]
) -> Literal["set", "from .env", "not set", "not allowed", "unknown"]:
    if name is None:
        return "unknown"
    if not env_allow.is_allowed(name, environ):
        return "not allowed"
    if name not in environ:
        return "not set"
    return "from .env" if name in from_dot_env(environ) else "set"
