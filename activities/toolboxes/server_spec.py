"""Which MCP server an agent run needs."""

from dataclasses import dataclass, field

from grammar.documents.models import ServerParams
from grammar.documents.sandbox import Policy

START_TIMEOUT = 60.0


@dataclass(frozen=True)
class ServerSpec:
    """The server of a toolbox: the toolbox's name, and its parameters, rendered. They may hold secrets: not for logs.

    `request_timeout`: seconds that one request to the server may take. `folder`: where its process runs, if it has one;
    None: where the worker does. `policy`: what its process may reach; None: it has no sandbox. `is_repeated`: whether
    other agents will need one like it.
    """

    name: str
    params: ServerParams = field(repr=False)
    request_timeout: float
    folder: str | None = None
    policy: Policy | None = None
    is_repeated: bool = False
