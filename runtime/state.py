"""Where this machine's taskflows keep their state."""

import os
import stat
from pathlib import Path

from platformdirs import user_state_path

from grammar.errors import UserError

_VARIABLE = "TASKFLOW_STATE_DIR"
_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_OTHERS_WRITE = stat.S_IWGRP | stat.S_IWOTH


def state_dir() -> Path:
    """Return `TASKFLOW_STATE_DIR`, else the platform's state directory: made if need be, and for this user alone.

    Raises UserError where it cannot be made, not be written to, or is not this user's alone and cannot be made so.
    """
    try:
        path = _path()
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
        _keep_others_out(path)
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


def _keep_others_out(path: Path) -> None:
    """Take from others what they may do in the folder. Raises UserError where it is not this user's, or shared."""
    found = path.stat()
    if found.st_uid != os.geteuid():
        raise unusable(path, f"it belongs to another user (uid {found.st_uid}), who can change what is in it")
    if not found.st_mode & _OTHERS:
        return
    if found.st_mode & stat.S_ISVTX or (found.st_mode & _OTHERS_WRITE and not _is_ours(path)):
        raise unusable(path, f"others may write to it (mode {stat.S_IMODE(found.st_mode):o}), and may have")
    path.chmod(stat.S_IMODE(found.st_mode) & ~_OTHERS)


def _is_ours(path: Path) -> bool:
    """Whether nothing in the folder is another user's, or a link: they would be read, and written through."""
    found = [entry.stat(follow_symlinks=False) for entry in os.scandir(path)]
    return all(entry.st_uid == os.geteuid() and not stat.S_ISLNK(entry.st_mode) for entry in found)


def unusable(where: object, why: str | None) -> UserError:
    """Return the error of a state folder, or of a file in it, that cannot be used."""
    return UserError(f"no state can be kept in {where}: {why}; set {_VARIABLE} to a folder that may be written to")
