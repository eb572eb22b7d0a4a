"""Options of the worker, declared once, and their bounds."""

from pathlib import Path
from typing import Annotated

import typer

from commands import env_file
from grammar.documents.sandbox import REQUIRE_SANDBOX, RequiredPreset

MOST_AT_ONCE = 10_000
MOST_PROCESSES = 256
LONGEST_GRACE = 86_400


def _grace(seconds: float) -> float:
    if not 0 <= seconds <= LONGEST_GRACE:  # a range of typer's lets `nan` through
        raise typer.BadParameter(f"give 0 to {LONGEST_GRACE} seconds")
    return seconds


TaskQueue = Annotated[str, typer.Option(help="The task queue to serve.")]
RunId = Annotated[
    str | None, typer.Option("--run", metavar="ID", help="Serve one run of the embedded server until it ends.")
]
QueriesOnly = Annotated[
    bool, typer.Option("--queries-only", help="With --run: answer queries about the run, and do none of its work.")
]
AllowFlows = Annotated[
    list[str] | None,
    typer.Option(
        "--allow-flows",
        metavar="PATTERN|HASH",
        help="Execute only runs of flows whose name fits, or whose hash is this. May be repeated.",
    ),
]
MaxActivities = Annotated[
    int | None,
    typer.Option(min=1, max=MOST_AT_ONCE, show_default="by the memory there is", help="Activities at once."),
]
Processes = Annotated[
    int | None,
    typer.Option(
        min=1, max=MOST_PROCESSES, show_default="all cores but one", help="Processes that share the activities."
    ),
]
MaxWorkflowTasks = Annotated[int, typer.Option(min=2, max=MOST_AT_ONCE, help="Workflow tasks at once.")]
Grace = Annotated[float, typer.Option(callback=_grace, help="Seconds that running activities get when told to stop.")]
RequireSandbox = Annotated[
    RequiredPreset | None,
    typer.Option(envvar=REQUIRE_SANDBOX, help="The sandbox that no script and no server gets more than."),
]
EnvFile = Annotated[Path | None, env_file.OPTION]
Debug = Annotated[bool, typer.Option("--debug", help="Log failed attempts too.")]
