"""Where a toolbox keeps what it remembers."""

import os
from collections.abc import Iterator
from pathlib import Path

from grammar.errors import UserError


def state_folder(variable: str, name: str) -> Path:
    """Return the folder that the environment `variable` names, else `name` in the platform's state directory.

    It is created if it is not there. Raises UserError where it cannot be, or a link in the working directory, where
    anybody may have put it, leads elsewhere.
    """
    configured = os.environ.get(variable)
    folder = Path(configured).expanduser() if configured else _default(name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"cannot create the folder {folder}: {error.strerror}; set {variable} to another") from error
    if folder.absolute().is_relative_to(Path.cwd()) and (link := next(filter(Path.is_symlink, _within(folder)), None)):
        raise UserError(f"{link} is a link, and nothing is written through one; set {variable} to another folder")
    return folder


def _within(folder: Path) -> Iterator[Path]:
    """Every folder from the working directory to this one, and what is in it."""
    yield from (path for path in (folder.absolute(), *folder.absolute().parents) if path.is_relative_to(Path.cwd()))
    yield from folder.iterdir()


def _default(name: str) -> Path:
    from platformdirs import user_state_path

    return user_state_path("taskflow", appauthor=False) / name
