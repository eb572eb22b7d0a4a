"""Where the processes of a run work: in the folder that the run was started in, where this worker has it."""

import os
from pathlib import Path
from typing import NamedTuple


class WorkingDirectory(NamedTuple):
    """A directory for processes to run in."""

    path: str | None
    """The directory; None: the worker's own."""
    warnings: list[str]
    """What a person should hear of it; empty: it is the one that was asked for."""


def working_directory(folder: str) -> WorkingDirectory:
    """Return the folder, where this worker has it and may enter it; else the worker's own, with a warning.

    `folder` empty: nobody asks for one, and the worker's own is right.
    """
    if not folder or (Path(folder).is_dir() and os.access(folder, os.X_OK)):
        return WorkingDirectory(folder or None, [])
    told = f"the folder {folder}, in which the run was started, is not on this worker; this ran in the worker's own"
    return WorkingDirectory(None, [told])
