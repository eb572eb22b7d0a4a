"""From a file to a bundle: everything a run needs, resolved, checked and hashed before it starts."""

import difflib
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml
from pydantic import JsonValue

from grammar.documents.budget import Budget
from grammar.documents.models import ModelConfig, Task, Taskflow
from grammar.documents.references import Found, FoundDocument, SearchPath, is_path, short_name
from grammar.documents.values import encodable
from grammar.errors import InvalidFlow
from grammar.loading import flow_check, tasks
from grammar.loading.library import MOST_OF_A_NAME, Library, NeededVariable
from grammar.loading.source import Source, display, read
from grammar.loading.tasks import TaskSource
from grammar.messages.run_bundle import MEANING, Bundle
from grammar.model_access import model_choice
from grammar.model_access.needed_prices import NeededPrice
from grammar.problems import Problem, first
from grammar.templating import task_templates


@dataclass(frozen=True)
class LoadOptions:
    """What to load, and how: as the command line asks."""

    flow: str
    """The flow: a path or a dotted name; empty where there is none."""
    overrides: dict[str, str] = field(default_factory=dict)
    """Globals given with -g, over those of the file."""
    model_config: str | None = None
    """The model config given with -m, instead of the file's; None: the file's."""
    paths: tuple[Path, ...] = ()
    """Where dotted names are looked up beside TASKFLOW_PATH and the working directory."""
    strict: bool = False
    """Whether unknown fields are errors, not warnings."""
    only_lint: bool = False
    """Whether nothing is to run: then globals, and what a task uses this one for, may come from elsewhere."""
    budget: Budget | None = None
    """The budget given with --budget: what it limits counts in place of the file's; None: none is given."""
    confirmed: bool = False
    """Whether no fan-out asks a person first."""
    all_globals: bool = False
    """With `only_lint`, whether no other globals are to come: but for a single task that has none, and may be used."""


@dataclass(frozen=True)
class Loaded:
    """A bundle, and what a person should hear about it."""

    bundle: Bundle
    """What is to run."""
    warnings: list[Problem]
    """What may be wrong; at most 1,000, and a last one that says that there are more."""
    needs: list[NeededVariable] = field(default_factory=list)
    """The environment variables that its templates need."""
    prices: list[NeededPrice] = field(default_factory=list)
    """The prices that its limits in dollars need."""
    documents: list[FoundDocument] = field(default_factory=list)
    """The files that it consists of, each once for each kind, in the order in which they were found."""


def load(options: LoadOptions) -> Loaded:
    """Return the bundle of a taskflow file or dotted name. Raises InvalidFlow with every problem at once."""
    _check_words(options.overrides)
    found = find(options)
    path = found.path
    library = Library(SearchPath(options.paths, path.parent), options.strict)
    library.note_found("taskflow", options.flow, found, Problem("command line", 0, "", ""))
    source = read(path, label=options.flow if is_path(options.flow) else display(path), kind="taskflow")
    library.warn_unknown(source, source.data, Taskflow, ())
    task_sources = tasks.tasks_of(source, library)
    flow, malformed = tasks.merged(task_sources, source, options.overrides, library)
    library.problems += malformed
    if flow is None:
        raise InvalidFlow(library.problems, library.warnings)
    library.open_names = _open_names(options, flow)
    globals_ = {**flow.globals, **options.overrides}
    config = _config(options, flow, source, library)
    pairs = zip(flow.taskflow, task_sources, strict=True)
    resolved = tuple(_resolve(task, task_source, library) for task, task_source in pairs)
    flow = flow.model_copy(update={"taskflow": resolved})
    if not malformed:
        flow_check.check(task_sources, flow, globals_, config, library)
    _warn_unread(options, [*_texts(task_sources, flow, library), *_server_templates(library)], library)
    library.raise_problems()
    bundle = _bundle(path, source, flow, globals_, config, library, options)
    prices = flow_check.needed_prices(task_sources, bundle, _limit_of_run(bundle, source, options))
    return Loaded(bundle, first(library.warnings), library.needs, prices, library.documents)


def from_personality(name: str, prompt: str, options: LoadOptions) -> Loaded:
    """Return the bundle of one agent run, `-p PERSONALITY "prompt"`. Raises InvalidFlow.

    The prompt is not a template.
    """
    _check_words({**options.overrides, "prompt": prompt})
    library = Library(SearchPath(options.paths), options.strict)
    referrer = command_line()
    name = library.personality(name, referrer, ())
    config = _config(options, None, referrer, library)
    task = Task(name=name, agents=(name,), user_prompt="{{ globals.prompt }}", must_complete=True, capture="response")
    flow = Taskflow(taskflow=(task,))
    if message := model_choice.cannot_run(task, config):
        library.problems.append(referrer.problem(("-m",), message))
    _warn_unread(options, _server_templates(library), library)
    library.raise_problems()
    globals_: dict[str, JsonValue] = {**options.overrides, "prompt": prompt}
    bundle = _bundle(Path(short_name(name)), referrer, flow, globals_, config, library, options)
    source = TaskSource(referrer, (), {})
    prices = flow_check.needed_prices([source], bundle, _limit_of_run(bundle, referrer, options))
    return Loaded(bundle, first(library.warnings), prices=prices, documents=library.documents)


def find(options: LoadOptions) -> Found:
    """Return the file that `options.flow` names. Raises InvalidFlow where there is none."""
    found = SearchPath(options.paths).locate(options.flow)
    if found is None:
        hint = (
            "no such file"
            if is_path(options.flow)
            else "no taskflow of that name (looked in TASKFLOW_PATH, --path, here)"
        )
        near = SearchPath(options.paths).near(options.flow)
        more = f"did you mean {near!r}?" if near else "give a path to a .yaml file or a dotted name"
        raise InvalidFlow([Problem(options.flow, 0, "", f"{hint}; {more}")])
    return found


def lint_options(options: LoadOptions, flow: str) -> LoadOptions:
    """Return the options for looking at that flow, without running it."""
    return replace(options, flow=flow, only_lint=True)


def model_config(options: LoadOptions) -> ModelConfig:
    """Return the model config that -m names; the default one without -m. Raises InvalidFlow."""
    library = Library(SearchPath(options.paths), options.strict)
    config = _config(options, None, command_line(), library)
    library.raise_problems()
    return config


def _check_words(words: Mapping[str, str]) -> None:
    """The command line may have any bytes; a run has only text. Raises InvalidFlow."""
    for name, value in words.items():
        if encodable(name + value) != name + value:
            raise InvalidFlow([Problem("command line", 0, name, f"{value!r} is not UTF-8 text")])


def _open_names(options: LoadOptions, flow: Taskflow) -> frozenset[str]:
    """What may still come from elsewhere: from -g, and for a single task from the one that uses it."""
    if not options.only_lint:
        return frozenset()
    single = len(flow.taskflow) == 1
    given = options.all_globals and not (single and not flow.globals and not options.overrides)
    return frozenset({"inputs", "agents", "result"} if single else ()) | (frozenset() if given else {"globals"})


def _texts(task_sources: Iterable[TaskSource], flow: Taskflow, library: Library) -> Iterator[str]:
    """Every template of the tasks; prompts with the `-p NAME` that they begin with."""
    for task_source, task in zip(task_sources, flow.taskflow, strict=True):
        yield from task_templates.templates_of(task, library.prompts)
        yield str(task_source.fields.get("user_prompt", ""))


def _server_templates(library: Library) -> list[str]:
    return [text for box in library.toolboxes.values() for _, text in box.server_params.templates()]


def _warn_unread(options: LoadOptions, texts: Iterable[str], library: Library) -> None:
    """Warn of globals that are given with -g, and that no template reads."""
    if not options.overrides or (read := task_templates.globals_read(texts)) is None:
        return
    for name in options.overrides:
        if name not in read:
            close = difflib.get_close_matches(name[:MOST_OF_A_NAME], read, 1)
            meant = f"; did you mean {close[0]}?" if close else ""
            library.warnings.append(command_line().problem(("-g",), f"nothing reads globals.{name}{meant}"))


def _config(options: LoadOptions, flow: Taskflow | None, source: Source, library: Library) -> ModelConfig:
    if options.model_config:
        return library.config(options.model_config, command_line(), ("-m",))
    if flow and flow.model_config_:
        return library.config(flow.model_config_, source, ("model_config",))
    return ModelConfig()


def command_line() -> Source:
    """Return the command line as a document without content, which refers to other documents."""
    root = yaml.MappingNode("tag:yaml.org,2002:map", [], yaml.Mark("", 0, -1, 0, None, 0))
    return Source(Path.cwd() / "command-line", "command line", {}, root)


def _resolve(task: Task, task_source: TaskSource, library: Library) -> Task:
    """The task with its references as the bundle names them."""
    names: dict[str, Any] = {
        "agents": tuple(
            library.personality(name, *task_source.location("agents", i)) for i, name in enumerate(task.agents)
        )
    }
    if task.toolboxes is not None:
        boxes = (library.toolbox(name, *task_source.location("toolboxes", i)) for i, name in enumerate(task.toolboxes))
        names["toolboxes"] = tuple(boxes)
    if task.user_prompt is not None:
        library.prompts_of(task_source.fields["user_prompt"], *task_source.location("user_prompt"))
    return task.model_copy(update=names)


def _bundle(
    path: Path,
    source: Source,
    flow: Taskflow,
    globals_: dict[str, JsonValue],
    config: ModelConfig,
    library: Library,
    options: LoadOptions,
) -> Bundle:
    given = options.budget
    bundle = Bundle(
        name=encodable(path.stem),
        source=encodable(source.label),
        globals=globals_,
        tasks=list(flow.taskflow),
        personalities=library.personalities,
        toolboxes=library.toolboxes,
        prompts=library.prompts,
        config=config,
        budget=flow.budget.replaced_by(given) if flow.budget and given else given or flow.budget,
        on_budget=flow.on_budget,
        confirm_over=None if options.confirmed else flow.confirm_over,
        meaning=MEANING,
        priority=flow.priority,
    )
    return bundle.model_copy(update={"hash": content_hash(bundle)})


def _limit_of_run(bundle: Bundle, source: Source, options: LoadOptions) -> Problem | None:
    """Where dollars of the whole run are limited, as a problem without a message; None: they are not."""
    if options.budget and options.budget.usd is not None:
        return command_line().problem(("--budget",), "")
    if bundle.budget and bundle.budget.usd is not None:
        return source.problem(("budget", "usd"), "")
    asks_by_cost = bundle.confirm_over and bundle.confirm_over.usd is not None
    return source.problem(("confirm_over", "usd"), "") if asks_by_cost else None


def content_hash(bundle: Bundle) -> str:
    """Return the SHA-256, in hex, of the content: not of places, prices, limits, who is asked, or who is first."""
    left_out: dict[str, bool | set[str]] = dict.fromkeys(("hash", "source", "priority", "confirm_over"), True)
    content = bundle.model_dump(mode="json", exclude={**left_out, "config": {"prices", "limits"}})
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
