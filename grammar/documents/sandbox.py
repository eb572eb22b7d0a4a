"""What scripts and servers may reach: `sandbox` of a task or a toolbox (specification section 10)."""

import re
from typing import Annotated, Literal, NamedTuple

from pydantic import AfterValidator, BeforeValidator, WithJsonSchema

from grammar.documents.sizes import parse_size, spoken_size

Preset = Literal["none", "workspace", "offline"]
RequiredPreset = Literal["workspace", "offline"]
REQUIRE_SANDBOX = "TASKFLOW_REQUIRE_SANDBOX"
"""The variable with the RequiredPreset of workers that are not told one otherwise."""
Network = Literal["none", "all"] | tuple[str, ...]

_HOST = re.compile(r"(\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+):([0-9]{1,5})")
_NETWORK = "write none, all, or a list of HOST:PORT, such as [pypi.org:443]"

IN_SANDBOX = "TASKFLOW_SANDBOX"
"""The variable that tells a server that it is in a sandbox, where what it keeps elsewhere is lost."""
UNREACHABLE = "its server is reached over the network, so a sandbox of it needs `network: all`"
"""What is wrong with most sandboxes of a server with a `command` and a `url`."""


class Policy(NamedTuple):
    """What a sandbox lets through. Paths are relative to the run's folder, absolute, or begin with `~`."""

    read: tuple[str, ...]
    """What may be read beside the system and the run's folder."""
    write: tuple[str, ...]
    """What may be written, and read."""
    network: Network
    """The hosts and ports that may be asked, over HTTP; or no network; or that of the worker."""
    memory: int
    """Bytes, of all its processes together."""
    processes: int
    """How many processes and threads there may be at once."""
    cpu: float | None
    """Seconds of CPU time, of all its processes together; None: as many as they take."""
    disk: int
    """Bytes, that all its processes together may write to disk."""


PRESETS = {
    "workspace": Policy((), (".",), "none", 4 * 1024**3, 512, None, 10 * 1024**3),
    "offline": Policy(("/",), ("/",), "none", 4 * 1024**3, 512, None, 10 * 1024**3),
}
"""What each preset lets through; `none` is no sandbox."""


def _path(value: str) -> str:
    if not value or "\0" in value:
        raise ValueError("write a path: of a file or a folder")
    if value.startswith("~") and value[1:2] not in ("", "/"):
        raise ValueError(f"{value!r}: after `~`, which is the home folder of the worker, there must be a `/`")
    if ".." in value.split("/"):
        raise ValueError(f"{value!r}: write the path without `..`")
    return value


def _network(value: object) -> object:
    if value in ("none", "all"):
        return value
    if not isinstance(value, list | tuple) or not value:
        raise ValueError(_NETWORK)
    return tuple(map(_address, value))


def _address(value: object) -> str:
    found = _HOST.fullmatch(value) if isinstance(value, str) else None
    if found is None or not 0 < int(found[2]) < 65_536:
        raise ValueError(f"{value!r} is no HOST:PORT; {_NETWORK}")
    return f"{found[1].lower()}:{int(found[2])}"


PolicyPath = Annotated[str, AfterValidator(_path)]
Size = Annotated[int, BeforeValidator(parse_size), WithJsonSchema({"type": ["string", "number"]})]
Addresses = Annotated[
    Network,
    BeforeValidator(_network),
    WithJsonSchema({"anyOf": [{"enum": ["none", "all"]}, {"type": "array", "items": {"type": "string"}}]}),
]


def asks_beyond(policy: Policy, allowed: Policy) -> str | None:
    """Return what the policy lets through that the other one does not, for people; None: nothing."""
    for name in ("read", "write"):
        for path in getattr(policy, name):
            if not _is_in_folder(path) and "/" not in getattr(allowed, name):
                return f"{name}: {path}"
    if policy.network != "none" and allowed.network == "none":
        return f"network: {policy.network if isinstance(policy.network, str) else ', '.join(policy.network)}"
    for name in ("memory", "disk"):
        if getattr(policy, name) > getattr(allowed, name):
            return f"{name}: {spoken_size(getattr(policy, name))}"
    return f"processes: {policy.processes}" if policy.processes > allowed.processes else None


def _is_in_folder(path: str) -> bool:
    return not path.startswith(("/", "~"))
