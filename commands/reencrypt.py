"""`reencrypt`: what payload storage keeps, written anew with the newest key."""

import asyncio
from typing import TYPE_CHECKING

from rich.text import Text

from commands import options
from console import run_tables
from console.printable import printable
from console.problems import print_json
from console.screen import open_screen
from grammar.errors import UserError
from grammar.exit_codes import ExitCode

if TYPE_CHECKING:  # these load Temporal's client
    from runtime.storage.reencryption import Reencrypted

HISTORIES = (
    "what the server holds itself, histories and schedules, keeps the key it was written with: leave older keys in the "
    "list until those runs are gone"
)


def reencrypt(json: options.Json = False, quiet: options.Quiet = False) -> int:
    """Write stored values and journals anew, with the newest encryption key. Runs may go on meanwhile."""
    newest, done = asyncio.run(_reencrypted())
    code = ExitCode.FAILED if done.failed else ExitCode.DONE
    screen = open_screen(json, quiet)
    run_tables.print_reencrypted(screen.out, newest, done.written, done.current)
    for why, number in done.failed.items():
        screen.err.print(Text(printable(f"{number} left as they are: {why}"), "red"))
    screen.notes.print(Text(HISTORIES, "dim"))
    if json:
        counts = {"written": done.written, "current": done.current, "failed": done.failed}
        print_json({"key": newest, **counts, "exit_code": code})
    return code


async def _reencrypted() -> "tuple[str, Reencrypted]":
    """Return the id of the newest key, and what was done. Raises UserError."""
    from runtime.backend import open_backend  # these load Temporal's client
    from runtime.encryption.codec import EncryptionCodec
    from runtime.encryption.keys import VARIABLE
    from runtime.encryption.renewal import Renewal
    from runtime.storage.reencryption import Reencrypted, reencrypt_bucket, reencrypt_folder

    async with open_backend() as backend:
        codec = backend.encryption.codec
        if not backend.encryption.is_on or not isinstance(codec, EncryptionCodec):
            raise UserError(f"there is no key to encrypt with: set {VARIABLE}, the newest key first")
        renewal = Renewal(codec)
        try:
            if backend.bucket:
                return codec.newest, await reencrypt_bucket(renewal, backend.bucket)
            return codec.newest, await reencrypt_folder(renewal, backend.folder) if backend.folder else Reencrypted()
        except OSError as error:
            raise UserError(f"cannot write {error.filename}: {error.strerror}") from error
