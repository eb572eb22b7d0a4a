"""The one way out of a process that has run Temporal's worker."""

import logging
import os
import sys
from typing import NoReturn


def leave(code: int) -> NoReturn:
    """Flush and end, without the interpreter's finalisation.

    In a process that has run a worker, finalisation races with the SDK's native threads and now and then
    aborts. Nothing after this runs: no `atexit`, no `finally`.
    """
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError, AttributeError):  # its reader is gone, it is closed, or there is none
            continue
    os._exit(code)
