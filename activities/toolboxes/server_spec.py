"""Which MCP server is asked for."""

from dataclasses import dataclass, field

from grammar.documents.models import ServerParams

START_TIMEOUT = 60.0


@dataclass(frozen=True)
class ServerSpec:
    """Which server: a toolbox's name and its parameters, rendered. They may hold secrets: for use only.

    `request_timeout`: seconds that one request to the server may take. `folder`: where its process works, if it has
    one; None: where the worker does.
    """

    name: str
    params: ServerParams = field(repr=False)
    request_timeout: float
    folder: str | None = None
