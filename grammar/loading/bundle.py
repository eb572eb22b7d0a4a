"""From a file to a bundle: everything a run needs, resolved, checked and hashed before it starts."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import JsonValue

from grammar.documents.models import ModelConfig, Task, Taskflow
from grammar.documents.references import Search, is_path, short_name
from grammar.documents.values import encodable
from grammar.errors import InvalidFlow, Problem, first
from grammar.loading import flow_check, tasks
from grammar.loading.library import Library, Need
from grammar.loading.source import Source, display, read
from grammar.loading.tasks import TaskSource
from grammar.messages.contracts import Bundle


@dataclass(frozen=True)
class LoadOptions:
    """What the command line asks for. `overrides`: globals given with -g.

    `strict`: unknown fields are errors. `only_lint`: nothing runs, so more may come from elsewhere.
    """

    flow: str
    overrides: dict[str, str] = field(default_factory=dict)
    model_config: str | None = None
    paths: tuple[Path, ...] = ()
    strict: bool = False
    only_lint: bool = False


@dataclass(frozen=True)
class Loaded:
    """A bundle, and what a person should hear about it (lines with file:line)."""

    bundle: Bundle
    warnings: list[Problem]
    needs: list[Need] = field(default_factory=list)


def load(order: LoadOptions) -> Loaded:
    """The bundle of a taskflow file or dotted name. Raises InvalidFlow with every problem at once."""
    _check_words(order.overrides)
    path = find(order)
    library = Library(Search(order.paths, path.parent), order.strict)
    source = read(path, label=order.flow if is_path(order.flow) else display(path), kind="taskflow")
    library.warn_unknown(source, source.data, Taskflow, ())
    written = tasks.tasks_of(source, library)
    flow, malformed = tasks.merged(written, source)
    library.problems += malformed
    if flow is None:
        raise InvalidFlow(library.problems, library.warnings)
    library.open = _open(order, flow)
    globals_ = {**flow.globals, **order.overrides}
    config = _config(order, flow, source, library)
    resolved = tuple(_resolve(task, place, library) for task, place in zip(flow.taskflow, written, strict=True))
    flow = flow.model_copy(update={"taskflow": resolved})
    if not malformed:
        flow_check.check(written, flow, globals_, config, library)
    library.raise_problems()
    bundle = _bundle(path, source, flow, globals_, config, library)
    return Loaded(bundle, first(library.warnings), library.needs)


def from_personality(name: str, prompt: str, order: LoadOptions) -> Loaded:
    """The bundle of one agent run: `-p PERSONALITY "prompt"`. The prompt is not a template."""
    _check_words({**order.overrides, "prompt": prompt})
    library = Library(Search(order.paths, Path.cwd()), order.strict)
    asked = command_line()
    name = library.personality(name, asked, ())
    config = _config(order, None, asked, library)
    task = Task(name=name, agents=(name,), user_prompt="{{ globals.prompt }}", must_complete=True, capture="response")
    flow = Taskflow(taskflow=(task,))
    library.raise_problems()
    bundle = _bundle(Path(short_name(name)), asked, flow, {**order.overrides, "prompt": prompt}, config, library)
    return Loaded(bundle, first(library.warnings))


def find(order: LoadOptions) -> Path:
    """The file that the command line names. Raises InvalidFlow."""
    path = Search(order.paths).find(order.flow)
    if path is None:
        hint = (
            "no such file"
            if is_path(order.flow)
            else "no taskflow of that name (looked in TASKFLOW_PATH, --path, here)"
        )
        raise InvalidFlow([Problem(order.flow, 0, "", f"{hint}; give a path to a .yaml file or a dotted name")])
    return path


def lint_options(order: LoadOptions, flow: str) -> LoadOptions:
    """An order to look at a flow that is not going to run."""
    return replace(order, flow=flow, only_lint=True)


def model_config(order: LoadOptions) -> ModelConfig:
    """The model config that -m names. Raises InvalidFlow."""
    library = Library(Search(order.paths, Path.cwd()), order.strict)
    config = _config(order, None, command_line(), library)
    library.raise_problems()
    return config


def _check_words(words: Mapping[str, str]) -> None:
    """The command line may have any bytes; a run has only text. Raises InvalidFlow."""
    for name, value in words.items():
        if encodable(name + value) != name + value:
            raise InvalidFlow([Problem("command line", 0, name, f"{value!r} is not UTF-8 text")])


def _open(order: LoadOptions, flow: Taskflow) -> frozenset[str]:
    """What may still come from elsewhere: from -g, and for a single task from the one that uses it."""
    if not order.only_lint:
        return frozenset()
    return frozenset({"globals", "inputs", "agents", "result"} if len(flow.taskflow) == 1 else {"globals"})


def _config(order: LoadOptions, flow: Taskflow | None, source: Source, library: Library) -> ModelConfig:
    if order.model_config:
        return library.config(order.model_config, command_line(), ("-m",))
    if flow and flow.model_config_:
        return library.config(flow.model_config_, source, ("model_config",))
    return ModelConfig()


def command_line() -> Source:
    """The command line as the place that refers to documents."""
    root = yaml.MappingNode("tag:yaml.org,2002:map", [], yaml.Mark("", 0, -1, 0, None, 0))
    return Source(Path.cwd() / "command-line", "command line", {}, root)


def _resolve(task: Task, written: TaskSource, library: Library) -> Task:
    """The task with its references as the bundle names them."""
    names: dict[str, Any] = {
        "agents": tuple(library.personality(name, *written.at("agents", i)) for i, name in enumerate(task.agents))
    }
    if task.toolboxes is not None:
        boxes = (library.toolbox(name, *written.at("toolboxes", i)) for i, name in enumerate(task.toolboxes))
        names["toolboxes"] = tuple(boxes)
    if task.user_prompt is not None:
        library.prompts_of(written.data["user_prompt"], *written.at("user_prompt"))
    return task.model_copy(update=names)


def _bundle(
    path: Path,
    source: Source,
    flow: Taskflow,
    globals_: dict[str, JsonValue],
    config: ModelConfig,
    library: Library,
) -> Bundle:
    bundle = Bundle(
        name=encodable(path.stem),
        source=encodable(source.label),
        globals=globals_,
        tasks=list(flow.taskflow),
        personalities=library.personalities,
        toolboxes=library.toolboxes,
        prompts=library.prompts,
        config=config,
    )
    return bundle.model_copy(update={"hash": content_hash(bundle)})


def content_hash(bundle: Bundle) -> str:
    """SHA-256 over the bundle's content. Where the files lie does not count, nor what the models cost."""
    content = bundle.model_dump(mode="json", exclude={"hash": True, "source": True, "config": {"prices"}})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
