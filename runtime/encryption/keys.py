"""The keys that encrypt: from a variable, a file or a command; the newest is the first."""

import base64
import binascii
import os
import re
import shlex
import stat
import subprocess
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Self

from grammar.errors import MissingKey, UserError

if TYPE_CHECKING:  # only who has keys loads it
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

VARIABLE = "TASKFLOW_ENCRYPTION_KEYS"
FILE, COMMAND = "TASKFLOW_ENCRYPTION_KEYS_FILE", "TASKFLOW_ENCRYPTION_KEYS_COMMAND"
SOURCES = (VARIABLE, FILE, COMMAND)
CODEC = "TASKFLOW_CODEC"
"""Names a codec of a team's own, which needs no keys from us."""
COMMAND_SECONDS = 60.0
MOST = 2**16
"""Bytes that a file or a command may give."""
_BYTES = 32
_ID = re.compile(r"[A-Za-z0-9._-]{1,64}")
_COMMENT = re.compile(r"#[^\n]*")


def is_asked_for() -> bool:
    """Return whether the environment says how to encrypt, rightly or not."""
    return any(os.environ.get(name) for name in (*SOURCES, CODEC))


class EncryptionKeys:
    """Hold the keys of AES-256-GCM by their ids. The newest encrypts, and each decrypts what it encrypted."""

    def __init__(self, keys: Iterable[tuple[str, bytes]] = (), source: str = VARIABLE) -> None:
        self._ciphers = {name: _cipher(key) for name, key in keys}
        self._source = source

    def __bool__(self) -> bool:
        """Return whether there is any: without one, nothing is encrypted."""
        return bool(self._ciphers)

    @property
    def newest(self) -> str:
        """Return the id of the key that encrypts."""
        return next(iter(self._ciphers))

    @property
    def ids(self) -> list[str]:
        """Return the ids of all keys, the newest first."""
        return list(self._ciphers)

    def cipher(self, name: str) -> "AESGCM":
        """Return the cipher of the key of that id. Raises MissingKey."""
        if found := self._ciphers.get(name):
            return found
        has = f"{self._source} has {', '.join(self.ids)}" if self else f"{VARIABLE} is not set"
        raise MissingKey(f"this was encrypted with the key {name!r}, and {has}; add that key, behind the newest")

    @classmethod
    def configured(cls) -> Self:
        """Return the keys that the environment says; none where it says nothing. Raises UserError."""
        given = {name: value for name in SOURCES if (value := os.environ.get(name))}
        if len(given) > 1:
            raise UserError(f"{' and '.join(given)} are both set: keys are read from one place, set one")
        for name, value in given.items():
            text = _of_file(value) if name == FILE else _of_command(value) if name == COMMAND else value
            return cls(_parsed(text, name), name)
        return cls()


def _cipher(key: bytes) -> "AESGCM":
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    return AESGCM(key)


def _parsed(text: str, source: str) -> Iterator[tuple[str, bytes]]:
    """Yield id and key of each entry. No error tells an entry: it may be a key. Raises UserError."""
    known = set[str]()
    entries = _COMMENT.sub(" ", text).replace(",", " ").split()
    if not entries:
        raise UserError(f"{source} gives no key; write ID:BASE64, the newest first")
    for number, entry in enumerate(entries, 1):
        name, colon, encoded = entry.partition(":")
        if not colon or not _ID.fullmatch(name):
            raise UserError(
                f"{source}: entry {number} is not ID:BASE64, with an id of letters, digits, `.`, `_` and `-`"
            )
        if name in known:
            raise UserError(f"{source}: there are two keys of the id {name!r}; each key has an id of its own")
        known.add(name)
        yield name, _decoded(name, encoded, source)


def _decoded(name: str, encoded: str, source: str) -> bytes:
    try:
        key = base64.b64decode(encoded.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != _BYTES:
        raise UserError(
            f"{source}: the key {name!r} is not {_BYTES} bytes in base64; `openssl rand -base64 32` makes one"
        )
    return key


def _of_file(name: str) -> str:
    """Return what is in the file, which must be its owner's alone. Raises UserError."""
    path = Path(name).expanduser()
    try:
        with path.open("rb") as file:
            if stat.S_IMODE(os.fstat(file.fileno()).st_mode) & 0o077:
                raise UserError(f"{FILE}: {path} can be read by others; chmod 600 it")
            return _as_text(file.read(MOST + 1), FILE)
    except OSError as error:
        raise UserError(f"{FILE}: {path} cannot be read: {error.strerror}") from error


def _of_command(command: str) -> str:
    """Return what the command prints. It may ask at the terminal, on stderr. Raises UserError."""
    try:
        done = subprocess.run(
            shlex.split(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            timeout=COMMAND_SECONDS,
            check=False,
        )
    except (OSError, ValueError) as error:
        raise UserError(f"{COMMAND} cannot be run: {error}") from None
    except subprocess.TimeoutExpired:
        raise UserError(f"{COMMAND} did not end within {COMMAND_SECONDS:.0f} s") from None
    if done.returncode:
        raise UserError(f"{COMMAND} failed, with exit code {done.returncode}")
    return _as_text(done.stdout, COMMAND)


def _as_text(content: bytes, source: str) -> str:
    try:
        if len(content) <= MOST:
            return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        pass
    raise UserError(f"{source} gives no list of keys: it is too long, or no UTF-8")
