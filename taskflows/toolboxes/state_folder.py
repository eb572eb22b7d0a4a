"""Where a toolbox keeps what it remembers."""

import os
from pathlib import Path

from grammar.errors import UserError


def state_folder(variable: str, name: str) -> Path:
    """Return the folder that the environment `variable` names, else `name` in the platform's state directory.

    It is created if it is not there. Raises UserError where it cannot be.
    """
    configured = os.environ.get(variable)
    folder = Path(configured).expanduser() if configured else _default(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot create the folder {folder}: {error.strerror}; set {variable} to another") from error
    return folder


def _default(name: str) -> Path:
    from platformdirs import user_state_path

    return user_state_path("taskflow", appauthor=False) / name
