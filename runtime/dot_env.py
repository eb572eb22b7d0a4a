"""Variables for a process from a file, beneath those that it has: `.env` of the working directory, or a named one."""

import os
from collections.abc import Iterator, Mapping
from io import StringIO
from pathlib import Path
from typing import NamedTuple

from dotenv import dotenv_values
from dotenv.variables import Variable, parse_variables

from grammar.dot_env_rules import RECORD, DotEnvRecord, why_not
from grammar.errors import UserError

MOST_BYTES = 1024 * 1024
_WHO_AND_WHERE = ("HOME", "USER", "LOGNAME", "PWD")
"""Variables of the process that a file which nobody named may refer to, as in `${HOME}`: no secrets."""


class EnvFile(NamedTuple):
    """What was read."""

    path: Path
    """The file."""
    taken: list[str]
    """The names of the variables that were set, in the file's order; those that the process had are not among them."""
    left_out: list[str]
    """The names that are not taken from a file that nobody named."""


def load(named: Path | None = None) -> EnvFile | None:
    """Set the variables that the file has and the environment has not. None: there is none to read, or to read again.

    `named`: a file that the person named, of which everything is believed; None: `.env` of the working directory, of
    which only what `grammar/dot_env_rules.py` allows is taken. Raises UserError where the file cannot be read, or the
    working directory is gone.
    """
    here = _here() / ".env"
    record = DotEnvRecord.of(os.environ)
    path = here if named is None else named
    if named is None and (str(here) in record.read or not _is_there(here)):
        return None
    values = _values(path)
    refused = [] if named else [name for name in values if why_not(name)]
    kept = {name: value for name, value in values.items() if name not in refused}
    resolved = dict(_resolved(kept, os.environ) if named else _resolved_within(kept))
    unresolved = [name for name, value in resolved.items() if value is None]
    taken = {name: value for name, value in resolved.items() if value is not None and name not in os.environ}
    _set(taken, path)
    names = record.names if named else (*record.names, *taken)
    os.environ[RECORD] = str(DotEnvRecord((*record.read, str(here)), names))
    return EnvFile(path, list(taken), refused + unresolved)


def _here() -> Path:
    try:
        return Path.cwd()
    except OSError as error:
        raise UserError(f"the working directory cannot be used: {error.strerror}; cd to one that can") from error


def _is_there(path: Path) -> bool:
    """Return whether it is a file: a virtual environment may have that name, and a pipe is never read."""
    try:
        return path.is_file()
    except OSError:
        return False


def _values(path: Path) -> dict[str, str]:
    """Return the file's variables as they are written, `${...}` included. Raises UserError."""
    try:
        with path.open("rb") as file:
            content = file.read(MOST_BYTES + 1)
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UserError(f"{path} is not UTF-8: {error.reason} at byte {error.start}; save it as UTF-8") from error
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error.strerror}; put it right, or remove it") from error
    if len(content) > MOST_BYTES:
        raise UserError(f"{path} is larger than {MOST_BYTES:,} bytes: no such file is read")
    found = dotenv_values(stream=StringIO(text), interpolate=False)
    return {name: value for name, value in found.items() if value is not None}


def _resolved(values: Mapping[str, str], process: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield each variable with `${...}` put in: from the process, else from the file."""
    known: dict[str, str | None] = {}
    for name, text in values.items():
        known[name] = "".join(atom.resolve({**known, **process}) for atom in parse_variables(text))
        yield name, known[name] or ""


def _resolved_within(values: Mapping[str, str]) -> Iterator[tuple[str, str | None]]:
    """Yield each variable with `${...}` put in, from the file alone; None where that would take a value from elsewhere.

    Else a file could have a key of the person's sent anywhere: `AI_API_ENDPOINT=https://example.com/${SOME_TOKEN}`.
    """
    known: dict[str, str | None] = {name: os.environ[name] for name in _WHO_AND_WHERE if name in os.environ}
    for name, text in values.items():
        atoms = list(parse_variables(text))
        if any(isinstance(atom, Variable) and atom.name not in known for atom in atoms):
            yield name, None
        else:
            known[name] = "".join(atom.resolve(known) for atom in atoms)
            yield name, known[name]


def _set(values: Mapping[str, str], path: Path) -> None:
    """Raises UserError for a value that no variable can have."""
    for name, value in values.items():
        try:
            os.environ[name] = value
        except ValueError as error:
            raise UserError(f"{path} cannot be read: {name}: {error}; put it right, or remove it") from error
