"""Where this machine's taskflows keep their state."""

import os
from pathlib import Path

from platformdirs import user_state_path

from grammar.errors import UserError

_VARIABLE = "TASKFLOW_STATE_DIR"


def state_dir() -> Path:
    """Return `TASKFLOW_STATE_DIR`, else the platform's state directory. It is made if need be, for this user alone.

    Raises UserError where it cannot be made, or not be written to.
    """
    try:
        path = _path()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except (OSError, RuntimeError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error).rstrip(".")
        where = getattr(error, "filename", None) or os.environ.get(_VARIABLE) or "the home folder"
        raise unusable(where, why) from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise unusable(path, "it may not be written to")
    return path


def existing_state_dir() -> Path | None:
    """Return the same, without making it; None where it is not there, or cannot be used."""
    try:
        path = _path()
        return path if path.is_dir() else None
    except (OSError, RuntimeError):
        return None


def _path() -> Path:
    """Raises RuntimeError where there is no home folder, OSError where a relative one has no working directory."""
    configured = os.environ.get(_VARIABLE)
    path = Path(configured).expanduser() if configured else user_state_path("temporal-taskflow", False)
    if path.parts[:1] == ("~",):
        raise RuntimeError("this user has no home folder")
    return path.absolute()


def unusable(where: object, why: str | None) -> UserError:
    """Return the error of a state folder, or of a file in it, that cannot be used."""
    return UserError(f"no state can be kept in {where}: {why}; set {_VARIABLE} to a folder that may be written to")
