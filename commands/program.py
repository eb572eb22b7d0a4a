"""The commands of the program, each with its options: what `starter.py` can be asked."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import typer
from typer._click.exceptions import NoArgsIsHelpError, UsageError  # not among what typer exports

from commands import (
    abort,
    approve,
    cancel,
    codec_server,
    env,
    estimate,
    graph,
    inspect,
    lint,
    list_runs,
    logs,
    manifest,
    models,
    options,
    pause,
    prune,
    raise_budget,
    reencrypt,
    reject,
    report,
    resume,
    retry,
    run,
    sample,
    schedule,
    schema,
    set_output,
    skip,
    status,
    unpause,
    worker,
)
from commands.command_group import Command, CommandGroup, usage_problem
from commands.program_options import program_options
from grammar.exit_codes import ExitCode
from grammar.program import program

_HELP_NAMES = {"help_option_names": ["-h", "--help"]}
_HELP = f"""Run taskflows as Temporal workflows, and look after their runs.

{program()} FLOW runs a taskflow; `{program()} run --help` lists the options of that.

Exit codes: {"; ".join(f"{code.value} {code.meaning}" for code in ExitCode)}.
"""

app = typer.Typer(
    cls=CommandGroup, callback=program_options, help=_HELP, no_args_is_help=True, context_settings=_HELP_NAMES,
    rich_markup_mode=None, pretty_exceptions_enable=False, subcommand_metavar="[COMMAND] FLOW|ID [OPTIONS]...",
)  # fmt: skip
schedules = typer.Typer(
    help="Have runs of a flow start by themselves.", no_args_is_help=True, context_settings=_HELP_NAMES,
    rich_markup_mode=None,
)  # fmt: skip


COMMANDS: dict[str, dict[str, Callable[..., int]]] = {
    options.RUNS: {
        "run": run.run, "list": list_runs.list_runs, "status": status.status, "manifest": manifest.manifest,
        "report": report.report, "logs": logs.logs, "prune": prune.prune,
    },
    options.DECISIONS: {
        "resume": resume.resume, "retry": retry.retry, "skip": skip.skip, "set-output": set_output.set_output,
        "abort": abort.abort, "raise": raise_budget.raise_budget, "approve": approve.approve, "reject": reject.reject,
        "pause": pause.pause, "unpause": unpause.unpause, "cancel": cancel.cancel,
    },
    options.FLOWS: {
        "lint": lint.lint, "inspect": inspect.inspect, "estimate": estimate.estimate, "graph": graph.graph,
        "models": models.models,
        "schema": schema.schema, "sample": sample.sample,
    },
}  # fmt: skip


def _add(
    target: typer.Typer, name: str, command: Callable[..., int], panel: str | None = None, **settings: Any
) -> None:
    target.command(name, cls=Command, rich_help_panel=panel, context_settings=_HELP_NAMES | settings)(command)


for _panel, _commands in COMMANDS.items():
    for _name, _command in _commands.items():
        _add(app, _name, _command, _panel)
app.add_typer(schedules, name="schedule", rich_help_panel=options.SERVICES)
_add(app, "env", env.env, options.SERVICES)
_add(app, "codec-server", codec_server.codec_server, options.SERVICES)
_add(app, "reencrypt", reencrypt.reencrypt, options.SERVICES)
_add(schedules, "add", schedule.add)
_add(schedules, "list", schedule.list_schedules)
_add(schedules, "remove", schedule.remove)
_add(
    app, "worker", worker.worker, options.SERVICES, help_option_names=[], ignore_unknown_options=True,
    allow_extra_args=True,
)  # fmt: skip


def execute() -> int:
    """Do what the command line says. Return the exit code. Raises UserError."""
    is_completion = sys.argv[1:2] in (["--install-completion"], ["--show-completion"])
    try:
        # A shell can complete the words of a program, not those of a script.
        name = "taskflow" if is_completion else program()
        return app(prog_name=name, complete_var="_TASKFLOW_COMPLETE", standalone_mode=False) or ExitCode.DONE
    except NoArgsIsHelpError as error:
        print(error.format_message(), file=sys.stderr)
        return ExitCode.BAD_INPUT
    except UsageError as error:
        raise usage_problem(error) from error
