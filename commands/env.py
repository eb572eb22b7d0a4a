"""`env`: the variables with which Temporal's own command finds the server that we use."""

import asyncio
import os
import re
import shlex

from rich.text import Text

from commands import options
from console.problems import print_json
from console.screen import Screen, open_screen
from grammar.program import program

_SECRET = re.compile("KEY|TOKEN|AUTH|SECRET|META")


def env(json: options.Json = False, quiet: options.Quiet = False) -> int:
    """Print exports for a shell, so that `temporal` talks to the same server: eval "$(... env)"."""
    screen = open_screen(json, quiet)
    variables = asyncio.run(_variables(screen))
    if json:
        print_json({"variables": variables, "exit_code": 0})
        return 0
    for name, value in variables.items():
        print(f"export {name}={shlex.quote(value)}")
    return 0


def _codec_auth() -> str:
    """Return the export that a person makes: what it reads is a secret, and not printed."""
    from runtime.codec_server.access import VARIABLE, is_given, token_file

    token = f"${VARIABLE}" if is_given() else f"$(cat {shlex.quote(str(token_file()))})"
    return f'export TEMPORAL_CODEC_AUTH="Bearer {token}"'


async def _variables(screen: Screen) -> dict[str, str]:
    from runtime.backend import EMBEDDED_ADDRESS, open_backend  # these load Temporal's client
    from runtime.local_server import embedded

    is_held = embedded.is_in_use()
    async with open_backend() as backend:
        if backend.embedded and not is_held:
            told = f"the embedded server ends as soon as nobody uses it; to hold it: {program()} worker"
            screen.notes.print(Text(told, "yellow"))
        found = {"TEMPORAL_ADDRESS": backend.address, "TEMPORAL_NAMESPACE": backend.client.namespace}
        found |= {EMBEDDED_ADDRESS: backend.address} if backend.embedded else {}
        if backend.codec_url:
            found["TEMPORAL_CODEC_ENDPOINT"] = backend.codec_url
            screen.notes.print(Text(f"what is encrypted is shown with {_codec_auth()}", "yellow"))
    others = {name: value for name, value in os.environ.items() if name.startswith("TEMPORAL_") and value}
    for name in sorted(others):
        if _SECRET.search(name):
            screen.notes.print(Text(f"{name} is a secret, and not printed: export it yourself", "yellow"))
    return found | {name: value for name, value in sorted(others.items()) if not _SECRET.search(name)} | found
