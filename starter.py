"""Run a taskflow: parse, bundle, start, follow, print.

python starter.py FLOW [-g KEY=VALUE]...
python starter.py -p PERSONALITY "prompt"
python starter.py --lint FLOW...
python starter.py --cron '0 6 * * *' FLOW
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Coroutine
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from dotenv import load_dotenv

from commands import cron as scheduling
from commands import decision as resuming
from commands import dry_run as dry
from commands import html_file
from console.problems import print_bug, print_problems, print_usage_error, print_warnings
from console.screen import Screen, screen
from grammar.errors import InvalidFlow, Problem, UserError
from grammar.loading import bundle
from grammar.loading.bundle import Loaded, LoadOptions
from grammar.messages.reports import Decision
from grammar.messages.run_bundle import Bundle
from runtime.exit import leave
from runtime.state import state_dir


def only(words: list[str], personality: str | None) -> str:
    """The one FLOW, or the one prompt, that a run takes. Raises InvalidFlow."""
    if len(words) == 1:
        return words[0]
    one = 'one prompt, in quotes: -p PERSONALITY "prompt"' if personality else "one taskflow: starter.py FLOW"
    raise InvalidFlow([Problem("command line", 0, "", f"give {one}")])


def load(personality: str | None, order: LoadOptions) -> Loaded:
    """The bundle that the command line asks for. Raises InvalidFlow."""
    return bundle.from_personality(personality, order.flow, order) if personality else bundle.load(order)


def overrides(given: list[str]) -> dict[str, str]:
    """`-g KEY=VALUE`: split at the first `=`, trimmed, always text (specification section 4). Raises InvalidFlow."""
    pairs = {}
    for text in given:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise InvalidFlow([Problem("command line", 0, "-g", f"{text!r}: write KEY=VALUE")])
        pairs[key.strip()] = value.strip()
    return pairs


def mode(**asked: str | bool | None) -> str | None:
    """The option that asks for something else than a new run. Raises InvalidFlow for more than one."""
    given = [f"--{name.replace('_', '-')}" for name, value in asked.items() if value]
    if len(given) > 1:
        raise InvalidFlow([Problem("command line", 0, "", f"give one of {' and '.join(given)}, not both")])
    return given[0] if given else None


TOOLS = ("--lint", "--graph", "--schema", "--list-models", "--sample")


def tool(asked: str, words: list[str], order: LoadOptions, page: Path | None, view: Screen, json: bool) -> int:
    """What needs no run, and no Temporal. Returns the exit code. Raises InvalidFlow."""
    from commands import graph, lint, models, sample, schema  # the slow ones load what they need themselves

    match asked:
        case "--lint":
            return lint.run(words, order, view, json)
        case "--graph":
            return graph.run(words, order, page, view, json)
        case "--schema":
            return schema.run(words)
        case "--list-models":
            return models.run(words, order, view, json)
        case _:
            return sample.run()


def steer(asked: str, name: str, view: Screen, json: bool) -> int:
    """What is asked of runs and schedules that are there already. Returns the exit code. Raises UserError."""
    from commands import runs, schedule  # they load Temporal's client

    match asked:
        case "--list":
            return asyncio.run(runs.list_runs(view, json))
        case "--status":
            return asyncio.run(runs.status(name, view, json))
        case "--manifest":
            return asyncio.run(runs.manifest(name, view, json))
        case "--list-schedules":
            return asyncio.run(schedule.list_schedules(view, json))
        case "--unschedule":
            return asyncio.run(schedule.remove(name, view, json))
        case _:
            return asyncio.run(runs.pause(name, asked == "--pause", view, json))


def reported(run_id: str, order: LoadOptions, page: Path | None, view: Screen, json: bool) -> int:
    """A page about a run. Returns the exit code. Raises NotWaiting, InvalidFlow."""
    from commands import report  # loads Temporal's client

    return asyncio.run(report.run(run_id, order, page, view, json))


def started(
    flow: Bundle,
    run_id: str | None,
    detach: bool,
    keep: bool,
    json: bool,
    debug: bool,
    earlier: str | None,
    from_task: str | None,
    view: Screen,
) -> Coroutine[None, None, int]:
    """A new run, or one that takes over from an earlier one."""
    from commands import reuse  # loads Temporal's client
    from commands.run import RunOptions, Session

    wish = RunOptions(run_id, detach, keep, json, debug)
    return reuse.run(flow, earlier, from_task, wish, view) if earlier else Session(flow, wish, view).run()


def scheduled(flow: Bundle, cron: str, schedule_id: str | None, view: Screen, json: bool) -> Coroutine[None, None, int]:
    """Runs of the flow that start by themselves."""
    from commands import schedule

    return schedule.make(flow, cron, schedule_id, view, json)


def resumed(run_id: str, what: Decision | None, keep: bool, view: Screen, json: bool, debug: bool) -> int:
    """Go on with a run. Returns the exit code."""
    from commands import resume

    return asyncio.run(resume.run(run_id, what, keep, json, debug, view))


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command(no_args_is_help=True)
def command(
    words: Annotated[
        list[str] | None,
        typer.Argument(metavar="FLOW", help="A taskflow: a path, or a dotted name. With -p: the prompt."),
    ] = None,
    personality: Annotated[
        str | None,
        typer.Option("-p", metavar="PERSONALITY", help="Run one agent of this personality on a prompt."),
    ] = None,
    globals_: Annotated[
        list[str] | None,
        typer.Option("-g", metavar="KEY=VALUE", help="Set a global; over those of the file."),
    ] = None,
    model_config: Annotated[
        str | None, typer.Option("-m", metavar="MODEL_CONFIG", help="A model config; over that of the file.")
    ] = None,
    path: Annotated[
        list[Path] | None, typer.Option("--path", metavar="DIR", help="Look references up here too.")
    ] = None,
    run_id: Annotated[
        str | None,
        typer.Option(
            "--id", metavar="ID", help="The run's id. An open run of that id is joined. With --cron: the schedule's."
        ),
    ] = None,
    detach: Annotated[bool, typer.Option("--detach", help="Start the run, and leave it to a worker.")] = False,
    keep: Annotated[
        bool, typer.Option("--keep", help="Hold the embedded server and its Web UI open until Ctrl-C.")
    ] = False,
    json: Annotated[bool, typer.Option("--json", help="Print nothing but one JSON result on stdout.")] = False,
    debug: Annotated[
        bool, typer.Option("--debug", help="Tell everything: each failure in full, every attempt, tracebacks.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Run it on scripted answers and placeholders: no model, no scripts.")
    ] = False,
    rules: Annotated[
        Path | None,
        typer.Option("--rules", metavar="FILE", help="What a dry run answers; else FLOW.dry.yaml beside FLOW.yaml."),
    ] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse a file that has an unknown field.")] = False,
    lint: Annotated[bool, typer.Option("--lint", help="Check each FLOW and all it refers to; run nothing.")] = False,
    graph: Annotated[
        bool, typer.Option("--graph", help="Draw FLOW: as Mermaid text, or with --html as a page.")
    ] = False,
    schema: Annotated[
        bool, typer.Option("--schema", help="Print the JSON Schema of a document kind: FLOW is the kind.")
    ] = False,
    list_models: Annotated[
        bool, typer.Option("--list-models", help="Tell which models FLOW uses, or which the endpoint offers.")
    ] = False,
    sample: Annotated[bool, typer.Option("--sample", help="Print a commented taskflow to start from.")] = False,
    resume: Annotated[
        str | None, typer.Option("--resume", metavar="ID", help="Go on with a run that is parked or was interrupted.")
    ] = None,
    retry: Annotated[bool, typer.Option("--retry", help="With --resume: run again what failed.")] = False,
    skip: Annotated[bool, typer.Option("--skip", help="With --resume: go on without what failed.")] = False,
    set_output: Annotated[
        str | None, typer.Option("--set-output", metavar="JSON", help="With --resume: go on with this in its place.")
    ] = None,
    abort: Annotated[bool, typer.Option("--abort", help="With --resume: end the run as failed.")] = False,
    task: Annotated[
        str | None, typer.Option("--task", metavar="NAME", help="With --resume: decide only if this task is parked.")
    ] = None,
    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="ID", help="Take over what an earlier run of the flow gave."),
    ] = None,
    from_task: Annotated[
        str | None, typer.Option("--from-task", metavar="NAME", help="With --from: the task to begin with.")
    ] = None,
    list_: Annotated[bool, typer.Option("--list", help="List runs: what each does, or waits for.")] = False,
    status: Annotated[str | None, typer.Option("--status", metavar="ID", help="Tell how a run stands.")] = None,
    manifest: Annotated[
        str | None, typer.Option("--manifest", metavar="ID", help="Tell of every branch of a run.")
    ] = None,
    report: Annotated[
        str | None, typer.Option("--report", metavar="ID", help="Write a page about a run, to ID.html.")
    ] = None,
    html: Annotated[
        Path | None, typer.Option("--html", metavar="FILE", help="With --graph, --report: the page to write.")
    ] = None,
    pause: Annotated[str | None, typer.Option("--pause", metavar="ID", help="Have a run start no new branch.")] = None,
    unpause: Annotated[str | None, typer.Option("--unpause", metavar="ID", help="Have a paused run go on.")] = None,
    cron: Annotated[
        str | None,
        typer.Option(
            "--cron",
            metavar="TIMES",
            help="Make a schedule: runs of FLOW start at these times, such as '0 6 * * *'. "
            "In UTC, unless it begins as in 'CRON_TZ=Europe/Berlin 0 6 * * *'.",
        ),
    ] = None,
    list_schedules: Annotated[
        bool, typer.Option("--list-schedules", help="List schedules: the next run of each, and its last.")
    ] = False,
    unschedule: Annotated[
        str | None, typer.Option("--unschedule", metavar="ID", help="Remove a schedule: no more runs start.")
    ] = None,
) -> None:
    """Run a taskflow as a Temporal workflow, and follow it to its end.

    Exit codes: 0 all done; 1 failed, or parked: it waits for a decision; 2 bad input, nothing started; 3 a bug of
    ours; 4 finished, but some optional task failed; 130 interrupted.
    """
    view = screen(json)
    load_dotenv(Path.cwd() / ".env")
    try:
        order = LoadOptions("", overrides(globals_ or []), model_config, tuple(path or []), strict)
        what = resuming.decision(retry, skip, set_output, abort, task)
        asked = mode(
            lint=lint, graph=graph, schema=schema, list_models=list_models, sample=sample, list=list_, status=status,
            manifest=manifest, report=report, pause=pause, unpause=unpause, resume=resume,
            list_schedules=list_schedules, unschedule=unschedule, cron=cron is not None
        )  # fmt: skip
        html_file.check(html, asked)
        if asked in TOOLS:
            leave(tool(asked, words or [], order, html, view, json))
        if report:
            leave(reported(report, order, html, view, json))
        if resume:
            leave(resumed(resume, what, keep, view, json, debug))
        if asked and cron is None:
            leave(steer(asked, status or manifest or pause or unpause or unschedule or "", view, json))
        resuming.check(what, task)
        scheduling.check(
            cron, detach=detach, keep=keep, dry_run=dry_run, rules=rules, from_=from_, from_task=from_task
        )  # fmt: skip
        dry.check(dry_run, rules)
        order = replace(order, flow=only(words or [], personality))
        loaded = load(personality, order)
        if dry_run:
            loaded = dry.as_dry_run(loaded, order, personality, rules)
        if from_task and not from_:
            raise InvalidFlow([Problem("command line", 0, "--from-task", "goes with --from ID")])
        print_warnings(view, loaded.warnings)
        if cron is None:
            leave(asyncio.run(started(loaded.bundle, run_id, detach, keep, json, debug, from_, from_task, view)))
        leave(asyncio.run(scheduled(loaded.bundle, cron, run_id, view, json)))
    except UserError as error:
        print_problems(view, error, json)
        leave(error.exit_code)
    except Exception as error:  # the edge of the process: nothing is lost, the details go to a file
        print_bug(view, error, json, state_dir(), debug)
        leave(3)


def main() -> None:
    """The console script."""
    try:
        app(prog_name="taskflow" if Path(sys.argv[0]).stem == "taskflow" else "starter.py")
    except SystemExit as ended:  # our own ways out do not come by here: it is --help, or an option that is not known
        if ended.code == InvalidFlow.exit_code and "--json" in sys.argv:
            print_usage_error(str(ended.__context__))
        raise


if __name__ == "__main__":
    main()
