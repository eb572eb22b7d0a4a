"""`worker`: the program that does the work, `worker.py`, with its own options."""

import os
import sys
from typing import NoReturn

import typer

from temporal_taskflow import launch


def worker(context: typer.Context) -> NoReturn:
    """Serve runs until SIGINT or SIGTERM; it has options of its own."""
    sys.stdout.flush()
    command = launch.command("worker.py", *context.args)
    os.execv(command[0], command)  # noqa: S606 (that is the purpose)
