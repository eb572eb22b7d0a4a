"""`worker`: the program that does the work, `worker.py`, with its own options."""

import os
import sys
from typing import NoReturn

import typer


def worker(context: typer.Context) -> NoReturn:
    """Serve runs until SIGINT or SIGTERM; it has options of its own."""
    from runtime.local_server.worker_process import WORKER  # loads Temporal's client

    sys.stdout.flush()
    os.execv(sys.executable, [sys.executable, str(WORKER), *context.args])  # noqa: S606 (that is the purpose)
