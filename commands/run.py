"""`run`: a taskflow as a Temporal workflow, followed to its end."""

import asyncio
import os
from dataclasses import replace
from datetime import UTC, datetime
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from commands import dry_run as dry
from commands import options
from commands.command_group import IS_MEANT
from console.problems import print_warnings
from console.screen import Screen, open_screen
from grammar.documents.references import SearchPath, is_path
from grammar.errors import InvalidFlow
from grammar.loading import bundle
from grammar.loading.bundle import Loaded, LoadOptions
from grammar.messages.run_bundle import Bundle
from grammar.model_access import needed_prices, price_list
from grammar.problems import Problem
from grammar.program import program
from temporal_taskflow.launch import loading

if TYPE_CHECKING:  # it loads Temporal's client
    from commands.session import RunOptions


def run(
    context: typer.Context,
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="FLOW", help="A taskflow: a path, or a dotted name. With -p: the prompt."),
    ] = None,
    personality: options.Personality = None,
    globals_: options.Globals = None,
    model_config: options.ModelConfigName = None,
    path: options.Paths = None,
    strict: options.Strict = False,
    run_id: Annotated[
        str | None, typer.Option("--id", metavar="ID", help="The run's id. An open run of that id is joined.")
    ] = None,
    task_queue: options.TaskQueue = None,
    priority: options.Priority = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start the run, and leave it to a worker.")] = False,
    keep: options.Keep = False,
    budget: options.Budgets = None,
    yes: options.YesToAll = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run it on scripted answers and placeholders: no model, no scripts.")
    ] = False,
    rules: Annotated[
        Path | None,
        typer.Option("--rules", metavar="FILE", help="What a dry run answers; else FLOW.dry.yaml beside FLOW.yaml."),
    ] = None,
    from_: Annotated[
        str | None, typer.Option("--from", metavar="ID", help="Take over what an earlier run of the flow gave.")
    ] = None,
    from_task: Annotated[
        str | None, typer.Option("--from-task", metavar="NAME", help="With --from: the task to begin with.")
    ] = None,
    json: options.Json = False,
    quiet: options.Quiet = False,
    debug: options.Debug = False,
) -> int:
    """Run a taskflow as a Temporal workflow, and follow it to its end. The word `run` may be left out."""
    screen = open_screen(json, quiet)
    dry.check(dry_run, rules)
    if from_task and not from_:
        raise options.wrong("--from-task", "goes with --from ID")
    if words and not personality and context.meta.get(IS_MEANT):
        _check_first_word(words[0], path or [], context)
    asked = options.load_options(_word(words, personality), globals_, model_config, path, strict, budget, yes)
    loaded = load(personality, asked, priority)
    if dry_run:
        loaded = dry.as_dry_run(loaded, asked, personality, rules)
    else:
        check_prices(loaded)
    print_warnings(screen, loaded.warnings)
    with loading():
        from commands.session import RunOptions  # loads Temporal's client
    wanted = RunOptions(run_id, detach, keep, json, debug, yes=yes, task_queue=task_queue)
    return asyncio.run(_run(with_prices(loaded.bundle), from_, from_task, wanted, screen))


async def _run(flow: Bundle, earlier: str | None, task: str | None, wanted: "RunOptions", screen: Screen) -> int:
    from commands import reuse  # loads Temporal's client
    from commands.session import Session

    if earlier:
        return await reuse.run(flow, earlier, task, wanted, screen)
    return await Session(flow, wanted, screen).run()


def with_prices(flow: Bundle) -> Bundle:
    """Return what is to run, with prices of its models, as far as they are known: they hold for all of the run."""
    return price_list.with_estimates(flow, os.environ, datetime.now(UTC))


def _word(words: list[str] | None, personality: str | None) -> str:
    """Return the one FLOW, or the words of the prompt, that a run takes. Raises InvalidFlow."""
    if personality and words:
        return " ".join(words)
    return options.only(words, "a prompt: -p PERSONALITY prompt" if personality else f"one taskflow: {program()} FLOW")


def _check_first_word(word: str, paths: list[Path], context: typer.Context) -> None:
    """Raise InvalidFlow for a word that is no flow, where it looks like a command that was mistyped."""
    commands = list(getattr(context.find_root().command, "commands", ()))
    closest = get_close_matches(word, commands, 1)
    if closest and not is_path(word) and SearchPath(tuple(paths)).find(word) is None:
        meant = f"did you mean `{program()} {closest[0]} ...`?"
        if word in commands:
            raise options.wrong("", f"options go after the command; {meant}")
        raise options.wrong("", f"there is no command and no taskflow {word!r}; {meant}")


def load(personality: str | None, asked: LoadOptions, priority: int | None = None) -> Loaded:
    """Return the bundle of FLOW, or of one agent and its prompt. Raises InvalidFlow.

    `priority`: of the command line, over that of the file; None: it names none.
    """
    loaded = bundle.from_personality(personality, asked.flow, asked) if personality else bundle.load(asked)
    if priority is None:
        return loaded
    return replace(loaded, bundle=loaded.bundle.model_copy(update={"priority": priority}))


def check_prices(loaded: Loaded) -> None:
    """Raise InvalidFlow where dollars are limited, and what a model costs is not known."""
    if problems := unpriced_problems(loaded):
        raise InvalidFlow(problems, loaded.warnings)


def unpriced_problems(loaded: Loaded) -> list[Problem]:
    """Return a problem for each limit in dollars that cannot be kept, with the endpoint that is configured here."""
    if not loaded.prices:
        return []
    unpriced = needed_prices.without_price(loaded.prices, with_prices(loaded.bundle).config, os.environ)
    return needed_prices.missing_prices(loaded.prices, unpriced)
