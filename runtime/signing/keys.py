"""The keys that sign: the owner's in the state folder, and what is configured for a server of one's own."""

import os
import secrets
import stat
from collections.abc import Iterable
from pathlib import Path

from grammar.errors import UserError
from runtime.signing import signed_signals
from runtime.signing.signature import Signer

VARIABLE = "TASKFLOW_SIGNING_KEY"
FILE_VARIABLE = "TASKFLOW_SIGNING_KEY_FILE"
UNSIGNED_VARIABLE = "TASKFLOW_UNSIGNED_RUNS"
SHORTEST = 32


def new() -> Signer:
    """Return a signer with a random key."""
    return _signer((secrets.token_urlsafe(48).encode(),))


def owner(folder: Path) -> Signer | None:
    """Return the signer of the state folder; None where there is no key yet. Raises UserError."""
    path = _path(folder)
    try:
        with path.open("rb") as file:
            _refuse_if_shared(path, os.fstat(file.fileno()))
            key, *before = file.read().split()
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"the signing key {path} cannot be read: {_why(error)}") from error
    return _signer((key,), frozenset(line.decode("ascii", "replace") for line in before))


def keep(folder: Path, signer: Signer, before: Iterable[str]) -> None:
    """Make this the signer of the state folder, unless there is one by now: another process may be as fast.

    `before`: as the signer has it from then on. The file is in place whole or not at all, and its owner's alone from
    its first moment on.
    """
    unfinished = folder / f"signing.{secrets.token_hex(8)}"
    descriptor = os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(b"\n".join([signer.keys[0], *(line.encode() for line in before)]) + b"\n")
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(unfinished, _path(folder))
        except FileExistsError:
            return
    finally:
        unfinished.unlink()


def configured() -> Signer | None:
    """Return the signer for a server of one's own; None: no key is configured. Raises UserError."""
    if text := os.environ.get(VARIABLE):
        return _signer(_keys(VARIABLE, text))
    if name := os.environ.get(FILE_VARIABLE):
        return _signer(_keys(FILE_VARIABLE, _read(Path(name).expanduser())))
    if signed_signals.are_wanted():
        raise UserError(f"{signed_signals.VARIABLE} is set: with a server of your own, it needs {VARIABLE} too")
    return None


def hide() -> None:
    """Take the key out of the environment: what this process starts would inherit it, and templates could read it."""
    os.environ.pop(VARIABLE, None)


def _signer(keys: tuple[bytes, ...], before: frozenset[str] = frozenset()) -> Signer:
    return Signer(keys, before, requires=os.environ.get(UNSIGNED_VARIABLE, "") in ("", "0"))


def _keys(source: str, text: str) -> tuple[bytes, ...]:
    keys = text.replace(",", " ").split()
    if not keys or any(len(key) < SHORTEST for key in keys):
        raise UserError(
            f"{source}: a signing key has {SHORTEST} characters at least; make one: openssl rand -base64 32"
        )
    return tuple(key.encode() for key in keys)


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            if os.fstat(file.fileno()).st_mode & (stat.S_IRWXO | stat.S_IWGRP):
                raise UserError(f"{FILE_VARIABLE}: others may read {path}, or write to it: chmod 600 it")
            return file.read().decode("ascii")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{FILE_VARIABLE}: {path} cannot be read: {_why(error)}") from error


def _path(folder: Path) -> Path:
    return folder / "signing.key"


def _refuse_if_shared(path: Path, status: os.stat_result) -> None:
    if status.st_uid != os.geteuid() or status.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise UserError(f"the signing key {path} is not yours alone: chmod 600 it, if it is yours")


def _why(error: Exception) -> str:
    return (error.strerror if isinstance(error, OSError) else None) or "it holds no key"
