"""`codec-server`: what the Web UI and the `temporal` command of a cluster ask to show what is encrypted."""

import asyncio
from typing import Annotated
from urllib.parse import urlsplit

import typer
from rich.text import Text

from commands import options
from console.screen import open_screen

PORT = 8081


def codec_server(
    host: Annotated[str, typer.Option("--host", metavar="HOST", help="The address to listen at.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", metavar="PORT", min=1, max=65_535, help="The port.")] = PORT,
    origin: Annotated[
        str, typer.Option("--origin", metavar="URL", help="The Web UI whose pages may ask, as https://ui.example.com.")
    ] = "",
) -> int:
    """Decode what is encrypted, for Temporal's Web UI and the `temporal` command of a server of your own."""
    from runtime import connection  # these load Temporal's client
    from runtime.codec_server import access, serving
    from runtime.state import state_dir

    told, encryption = access.Access(access.configured_token(), _origin(origin)), serving.encryption()
    embedded = None if connection.configured() else state_dir() / "payloads"
    with serving.listener(host, port) as listening:
        token = f"${access.VARIABLE}" if access.is_given() else f"$(cat {access.token_file()})"
        where = f"http://{host}:{port}"
        how = f'codec server at {where}; for temporal: --codec-endpoint {where} --codec-auth "Bearer {token}"'
        open_screen().err.print(Text(how))
        asyncio.run(serving.serve(listening, embedded, encryption, told))
    return 0


def _origin(url: str) -> str:
    """Return the origin as browsers tell it. Raises InvalidFlow."""
    parts = urlsplit(url)
    if url and (parts.scheme not in ("http", "https") or not parts.netloc or parts.path.strip("/")):
        raise options.wrong("--origin", f"{url!r}: write https://HOST or http://HOST:PORT")
    return f"{parts.scheme}://{parts.netloc}" if url else ""
