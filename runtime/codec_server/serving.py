"""The codec server as a process: for the embedded server, which starts it, and as the command `codec-server`."""

import asyncio
import sys
from contextlib import suppress
from pathlib import Path

import uvicorn

from grammar.errors import UserError
from runtime.codec_server.access import Access, configured_token
from runtime.codec_server.app import app
from runtime.encryption.configured import configured
from runtime.state import state_dir
from runtime.storage import place

MOST_AT_ONCE = 100


async def serve(folder: Path | None, access: Access, host: str, port: int) -> None:
    """Serve until SIGINT or SIGTERM. Raises UserError.

    `folder`: the embedded server's payload storage; None: that which the environment names.
    """
    encryption = configured()
    if not encryption.is_on:
        raise UserError("there is no key to decode with: set TASKFLOW_ENCRYPTION_KEYS")
    async with place.opened(folder, encryption) as kept:
        config = uvicorn.Config(
            app(kept.converter(), access),
            host,
            port,
            log_level="error",
            access_log=False,
            lifespan="off",
            server_header=False,
            proxy_headers=False,  # who is at the other end, the kernel tells
            limit_concurrency=MOST_AT_ONCE,
        )
        await uvicorn.Server(config).serve()


def main() -> None:
    """Serve the embedded server's Web UI, and who has the token: the process that the supervisor starts.

    Arguments: the port, and the origin of the Web UI.
    """
    port, origin = sys.argv[1:]
    access = Access(configured_token(), origin, own_user=True)
    try:
        with suppress(KeyboardInterrupt):
            asyncio.run(serve(state_dir() / "payloads", access, "127.0.0.1", int(port)))
    except UserError as error:
        sys.exit(f"codec server: {error}")
