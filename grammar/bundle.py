"""From a file to a bundle: everything a run needs, resolved, checked and hashed before it starts."""

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from pydantic import JsonValue

from grammar import flow_check
from grammar.contracts import Bundle
from grammar.errors import InvalidFlow, Problem
from grammar.library import Library
from grammar.models import ModelConfig, Task, Taskflow
from grammar.references import Search, is_path, short_name
from grammar.source import Source, display, read


@dataclass(frozen=True)
class Order:
    """What the command line asks for. `overrides`: globals given with -g."""

    flow: str
    overrides: dict[str, str] = field(default_factory=dict)
    model_config: str | None = None
    paths: tuple[Path, ...] = ()


@dataclass(frozen=True)
class Loaded:
    """A bundle, and what a person should hear about it (lines with file:line)."""

    bundle: Bundle
    warnings: list[Problem]


def load(order: Order) -> Loaded:
    """The bundle of a taskflow file or dotted name. Raises InvalidFlow with every problem at once."""
    path = _find_flow(order)
    library = Library(Search(order.paths, path.parent))
    source = read(path, label=order.flow if is_path(order.flow) else display(path), kind="taskflow")
    flow = _parse_flow(source, library)
    globals_ = {**flow.globals, **order.overrides}
    config = _config(order, flow, source, library)
    for index, task in enumerate(flow.taskflow):
        _resolve_task(flow_check.Place(source, index), task, library)
    flow_check.check(source, flow, globals_, library)
    library.raise_problems()
    bundle = _bundle(path, source, flow, globals_, config, library)
    return Loaded(bundle, library.warnings)


def from_personality(name: str, prompt: str, order: Order) -> Loaded:
    """The bundle of one agent run: `-p PERSONALITY "prompt"`. The prompt is not a template."""
    library = Library(Search(order.paths, Path.cwd()))
    command_line = _command_line()
    library.personality(name, command_line, ())
    config = _config(order, None, command_line, library)
    task = Task(name=name, agents=(name,), user_prompt="{{ globals.prompt }}", must_complete=True, capture="response")
    flow = Taskflow(taskflow=(task,))
    flow_check.check_tools(task, command_line, (), library)
    library.raise_problems()
    bundle = _bundle(Path(short_name(name)), command_line, flow, {**order.overrides, "prompt": prompt}, config, library)
    return Loaded(bundle, library.warnings)


def _find_flow(order: Order) -> Path:
    path = Search(order.paths).find(order.flow)
    if path is None:
        hint = (
            "no such file"
            if is_path(order.flow)
            else "no taskflow of that name (looked in TASKFLOW_PATH, --path, here)"
        )
        raise InvalidFlow([Problem(order.flow, 0, "", f"{hint}; give a path to a .yaml file or a dotted name")])
    return path


def _parse_flow(source: Source, library: Library) -> Taskflow:
    """The taskflow, with `defaults` put under every task."""
    data = dict(source.data)
    defaults = data.get("defaults") or {}
    tasks = data.get("taskflow") or []
    problems: list[Problem] = []
    if isinstance(defaults, dict):
        problems += _problems_of(source, defaults, ("defaults",))
    if isinstance(tasks, list):
        data["taskflow"] = [_task_data(source, entry, i, defaults, problems) for i, entry in enumerate(tasks)]
    if problems:
        raise InvalidFlow(problems)
    flow = source.validate(Taskflow, data)
    library.warn_unknown(source, source.data, Taskflow, ())
    for i, entry in enumerate(tasks):
        library.warn_unknown(source, entry["task"], Task, ("taskflow", i, "task"))
    return flow


def _task_data(source: Source, entry: Any, index: int, defaults: Any, problems: list[Problem]) -> Any:
    where = ("taskflow", index)
    task = entry.get("task") if isinstance(entry, dict) else None
    if not isinstance(task, dict):
        problems.append(source.problem(where, "must be `- task:` with the task's fields below it"))
        return {}
    problems += _problems_of(source, task, (*where, "task"))
    merged = {**defaults, **task} if isinstance(defaults, dict) else task
    return {"name": f"task-{index + 1}", **{k: v for k, v in merged.items() if v is not None}}


def _problems_of(source: Source, data: dict[str, Any], where: tuple[str | int, ...]) -> list[Problem]:
    try:
        source.validate(Task, data, where)
    except InvalidFlow as invalid:
        return invalid.problems
    return []


def _config(order: Order, flow: Taskflow | None, source: Source, library: Library) -> ModelConfig:
    if order.model_config:
        return library.config(order.model_config, _command_line(), ("-m",))
    if flow and flow.model_config_:
        return library.config(flow.model_config_, source, ("model_config",))
    return ModelConfig()


def _command_line() -> Source:
    """The command line as the place that refers to documents."""
    root = yaml.MappingNode("tag:yaml.org,2002:map", [], yaml.Mark("", 0, -1, 0, None, 0))
    return Source(Path.cwd() / "command-line", "command line", {}, root)


def _resolve_task(place: "flow_check.Place", task: Task, library: Library) -> None:
    for i, name in enumerate(task.agents):
        library.personality(name, place.source, place.where("agents", i))
    for i, name in enumerate(task.toolboxes or ()):
        library.toolbox(name, place.source, place.where("toolboxes", i))
    if task.user_prompt is not None:
        library.prompts_of(task.user_prompt, place.source, place.where("user_prompt"))


def _bundle(
    path: Path,
    source: Source,
    flow: Taskflow,
    globals_: dict[str, JsonValue],
    config: ModelConfig,
    library: Library,
) -> Bundle:
    bundle = Bundle(
        name=path.stem,
        source=source.label,
        globals=globals_,
        tasks=list(flow.taskflow),
        personalities=library.personalities,
        toolboxes=library.toolboxes,
        prompts=library.prompts,
        config=config,
    )
    return bundle.model_copy(update={"hash": content_hash(bundle)})


def content_hash(bundle: Bundle) -> str:
    """SHA-256 over the bundle's content. Where the files lie does not count."""
    content = bundle.model_dump(mode="json", exclude={"hash", "source"})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
