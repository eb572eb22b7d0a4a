"""The codec server as a process: for the embedded server, which starts it, and as the command `codec-server`."""

import asyncio
import socket
import sys
from contextlib import suppress
from pathlib import Path

import uvicorn

from grammar.errors import UserError
from runtime.codec_server.access import Access, configured_token
from runtime.codec_server.app import app
from runtime.encryption.configured import Encryption, configured
from runtime.state import state_dir
from runtime.storage import place

MOST_AT_ONCE = 100


def encryption() -> Encryption:
    """Return what the environment says of encryption. Raises UserError, also where it says nothing."""
    found = configured()
    if not found.is_on:
        raise UserError("there is no key to decode with: set TASKFLOW_ENCRYPTION_KEYS")
    return found


def listener(host: str, port: int) -> socket.socket:
    """Return a socket that listens there. Raises UserError."""
    try:
        return socket.create_server((host, port))
    except OSError as error:
        raise UserError(f"the codec server cannot listen at {host}:{port}: {error.strerror}") from error


async def serve(listening: socket.socket, folder: Path | None, encryption: Encryption, access: Access) -> None:
    """Serve until SIGINT or SIGTERM. Raises NoStorage.

    `folder`: the embedded server's payload storage; None: that which the environment names.
    """
    async with place.opened(folder, encryption) as kept:
        config = uvicorn.Config(
            app(kept.converter(), access),
            log_level="error",
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,  # who is at the other end, the kernel tells
            limit_concurrency=MOST_AT_ONCE,
        )
        await uvicorn.Server(config).serve([listening])


def main() -> None:
    """Serve the embedded server's Web UI, and who has the token: the process that the supervisor starts.

    Arguments: the port, and the origin of the Web UI.
    """
    port, origin = sys.argv[1:]
    try:
        access = Access(configured_token(), origin, own_user=True)
        with suppress(KeyboardInterrupt), listener("127.0.0.1", int(port)) as listening:
            asyncio.run(serve(listening, state_dir() / "payloads", encryption(), access))
    except UserError as error:
        sys.exit(f"codec server: {error}")
