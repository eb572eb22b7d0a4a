"""Who may ask the codec server: who has its token; and the Web UI of the embedded server, in its owner's browser."""

import hmac
import os
import secrets
import sys
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from grammar.errors import UserError
from runtime.state import state_dir, unusable

VARIABLE = "TASKFLOW_CODEC_TOKEN"
SHORTEST = 16
_TCP = Path("/proc/net/tcp")

Address = tuple[str, int]


@dataclass(frozen=True)
class Access:
    """Decide about requests. `origin`: of the one Web UI whose pages may ask; empty: none may.

    `own_user`: whether its pages need no token, in a browser of this user's. The embedded Web UI can send none.
    """

    token: str
    origin: str = ""
    own_user: bool = False

    def refuses(
        self, path: str, headers: Mapping[str, str], client: Address | None, server: Address | None
    ) -> Literal[401, 403] | None:
        """Return the HTTP status that a request is refused with; None: it may. `path`: `/decode`, or `/TOKEN/decode`.

        A browser tells the origin of the page with every POST; where it is not the Web UI's, no token helps.
        """
        origin = headers.get("origin")
        if origin is not None and origin != self.origin:
            return 403
        told = headers.get("authorization", "").removeprefix("Bearer ").strip()
        if self._is_token(told) or self._is_token(path.strip("/").partition("/")[0]):
            return None
        return None if self.own_user and origin and _is_own(client, server) else 401

    def _is_token(self, text: str) -> bool:
        return hmac.compare_digest(text.encode(), self.token.encode())


def token_file() -> Path:
    """Return the file that has the token of this state directory; it need not be there. Raises UserError."""
    return state_dir() / "codec-token"


def is_given() -> bool:
    """Return whether the environment says what the token is."""
    return bool(os.environ.get(VARIABLE))


def configured_token() -> str:
    """Return TASKFLOW_CODEC_TOKEN, else the token of the state directory, made on first use. Raises UserError."""
    if token := os.environ.get(VARIABLE):
        if len(token) < SHORTEST or not token.isascii() or not token.isprintable() or set("/ ?#") & set(token):
            raise UserError(f"{VARIABLE} must have {SHORTEST} characters or more, of those that URLs take as they are")
        return token
    try:
        return _kept(token_file())
    except OSError as error:
        raise unusable(error.filename, error.strerror) from error


def _kept(path: Path) -> str:
    """Return what is in the file, made first where there is none: of two processes at once, one makes it."""
    if not path.exists():
        with tempfile.NamedTemporaryFile("w", dir=path.parent, encoding="ascii") as made:  # for this user alone
            made.write(secrets.token_urlsafe(32))
            made.flush()
            with suppress(FileExistsError):
                os.link(made.name, path)
    token = path.read_text(encoding="ascii").strip()
    if len(token) < SHORTEST:
        raise UserError(f"{path} holds no token; remove it, and another one is made")
    return token


def _is_own(client: Address | None, server: Address | None) -> bool:
    """Return whether a process of this user is at the other end; False where the kernel does not tell: not on Linux."""
    if client is None or server is None or not _TCP.exists():
        return False
    ends = [_as_the_kernel_writes(client), _as_the_kernel_writes(server)]
    rows = (line.split() for line in _TCP.read_text().splitlines()[1:])
    return any(row[1:3] == ends and int(row[7]) == os.geteuid() for row in rows)


def _as_the_kernel_writes(address: Address) -> str:
    """Return an address of IPv4 as `/proc/net/tcp` has it: `0100007F:1F91`."""
    host, port = address
    number = int.from_bytes(bytes(map(int, host.split("."))), sys.byteorder)
    return f"{number:08X}:{port:04X}"
